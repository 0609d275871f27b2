<?php

declare(strict_types=1);

namespace MetricsServer;

/**
 * What programs ask for: Metrics where they run, NullMetrics where nothing is measured, InMemoryMetrics in tests.
 *
 * Nothing here throws on account of a value, of a label's value or of the network.
 * What cannot be sent is counted by dropped() and told once for each reason to the logger.
 *
 * Values are numbers, numeric texts, booleans (1 and 0), null (0), backed enums and Stringable objects of such a text.
 * Values of labels are texts, numbers, booleans, null (the empty text), enums (a pure one's name) and Stringable
 * objects.
 */
interface MetricsInterface
{
    /**
     * A counter that is declared once and used often.
     *
     * @param array<array-key, string> $labels the names of the labels of each call
     */
    public function counter(string $name, string $help = '', array $labels = []): Counter;

    /** @param array<array-key, string> $labels the names of the labels of each call */
    public function gauge(string $name, string $help = '', array $labels = []): Gauge;

    /**
     * @param array<array-key, string> $labels the names of the labels of each call
     * @param array<array-key, mixed> $buckets the upper bounds, or the message's bucket fields, such as
     *     `['buckets' => 10, 'bucket_min' => 1, 'bucket_max' => 70]`; the server keeps those of the first message
     */
    public function histogram(
        string $name,
        string $help = '',
        array $labels = [],
        array $buckets = Histogram::SECONDS,
    ): Histogram;

    /**
     * Adds to a counter.
     *
     * @param array<string, mixed> $labels
     */
    public function inc(string $name, array $labels = [], mixed $by = 1, string $help = ''): void;

    /**
     * Sets a gauge.
     *
     * @param array<string, mixed> $labels
     */
    public function set(string $name, mixed $value, array $labels = [], string $help = ''): void;

    /**
     * Adds to a gauge.
     *
     * @param mixed $by of any sign
     * @param array<string, mixed> $labels
     */
    public function add(string $name, mixed $by, array $labels = [], string $help = ''): void;

    /**
     * Observes a value into a histogram.
     *
     * @param array<string, mixed> $labels
     * @param array<array-key, mixed> $buckets as for histogram(); without them the server takes its own
     */
    public function observe(
        string $name,
        mixed $value,
        array $labels = [],
        array $buckets = [],
        string $help = '',
    ): void;

    /**
     * A line for Loki.
     *
     * @param array<string, mixed> $labels
     * @param mixed $timestamp a DateTimeInterface, seconds since 1970 or an RFC 3339 text
     */
    public function event(string $name, array $labels = [], mixed $value = 0, mixed $timestamp = null): void;

    /**
     * A document for OpenSearch.
     *
     * @param array<string, mixed> $labels
     * @param string $index without it the server's own
     */
    public function index(
        string $name,
        array $labels = [],
        mixed $value = 0,
        string $index = '',
        mixed $timestamp = null,
    ): void;

    /**
     * A row for ScyllaDB or Cassandra.
     *
     * @param array<string, mixed> $labels
     */
    public function raw(string $name, array $labels = [], mixed $value = 0, mixed $timestamp = null): void;

    /** Sends what is buffered. At the end of a request and of a script this happens by itself. */
    public function flush(): void;

    /** For loops: sends what has waited for a second, and gives the next turn a new budget for waiting. */
    public function tick(): void;

    /** For layers above: counts a message that cannot be sent, and tells the logger as for any other. */
    public function refuse(DropReason $reason, string $detail): void;

    /** How many messages are known not to have been sent. UDP loses others unseen. */
    public function dropped(?DropReason $reason = null): int;

    /** @return array<string, int> the same by the value of their DropReason */
    public function droppedByReason(): array;
}
