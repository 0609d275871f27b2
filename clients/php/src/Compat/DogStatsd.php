<?php

declare(strict_types=1);

namespace MetricsServer\Compat;

use MetricsServer\DropReason;
use MetricsServer\Histogram;
use MetricsServer\MetricsInterface;

/**
 * The methods of DataDog's DogStatsd client, for programs that move to metrics-server call by call.
 *
 * Names become Prometheus': `page.views` is page_views. Tags become labels; one without a value has the value "true".
 * Sample rates and cardinalities are ignored: every call counts. Times become seconds, and their names end in _seconds.
 * What the server cannot do is refused as `unsupported`: sets. A counter that would go down is refused as well; what
 * goes up and down is a gauge, and its name is given to the constructor.
 */
final class DogStatsd
{
    public const OK = 0;
    public const WARNING = 1;
    public const CRITICAL = 2;
    public const UNKNOWN = 3;

    /**
     * @param array<array-key, mixed> $buckets of histograms, distributions and times
     * @param list<string> $gauges the stats whose increments and decrements add to a gauge
     */
    public function __construct(
        private readonly MetricsInterface $metrics,
        private readonly array $buckets = Histogram::SECONDS,
        private readonly array $gauges = [],
    ) {
    }

    /**
     * @param string|list<string> $stats
     * @param array<array-key, mixed>|string|null $tags
     */
    public function increment(
        string|array $stats,
        mixed $sampleRate = 1.0,
        array|string|null $tags = null,
        mixed $value = 1,
        mixed $cardinality = null,
    ): void {
        $this->updateStats($stats, $value, $sampleRate, $tags);
    }

    /**
     * Is refused unless the stat is one of the gauges: a counter only grows.
     *
     * @param string|list<string> $stats
     * @param array<array-key, mixed>|string|null $tags
     */
    public function decrement(
        string|array $stats,
        mixed $sampleRate = 1.0,
        array|string|null $tags = null,
        mixed $value = -1,
        mixed $cardinality = null,
    ): void {
        $this->updateStats($stats, \is_numeric($value) ? -\abs($value + 0) : $value, $sampleRate, $tags);
    }

    /**
     * @param string|list<string> $stats
     * @param array<array-key, mixed>|string|null $tags
     */
    public function updateStats(
        string|array $stats,
        mixed $delta = 1,
        mixed $sampleRate = 1.0,
        array|string|null $tags = null,
        mixed $cardinality = null,
    ): void {
        foreach ((array) $stats as $stat) {
            if (\in_array($stat, $this->gauges, true)) {
                $this->metrics->add(DogTags::name($stat), $delta, DogTags::labels($tags));
            } else {
                $this->metrics->inc(DogTags::name($stat), DogTags::labels($tags), $delta);
            }
        }
    }

    /** @param array<array-key, mixed>|string|null $tags */
    public function gauge(
        string $stat,
        mixed $value,
        mixed $sampleRate = 1.0,
        array|string|null $tags = null,
        mixed $cardinality = null,
    ): void {
        $this->metrics->set(DogTags::name($stat), $value, DogTags::labels($tags));
    }

    /** @param array<array-key, mixed>|string|null $tags */
    public function histogram(
        string $stat,
        mixed $value,
        mixed $sampleRate = 1.0,
        array|string|null $tags = null,
        mixed $cardinality = null,
    ): void {
        $this->metrics->observe(DogTags::name($stat), $value, DogTags::labels($tags), $this->buckets);
    }

    /** @param array<array-key, mixed>|string|null $tags */
    public function distribution(
        string $stat,
        mixed $value,
        mixed $sampleRate = 1.0,
        array|string|null $tags = null,
        mixed $cardinality = null,
    ): void {
        $this->histogram($stat, $value, $sampleRate, $tags);
    }

    /**
     * @param mixed $time in milliseconds
     * @param array<array-key, mixed>|string|null $tags
     */
    public function timing(
        string $stat,
        mixed $time,
        mixed $sampleRate = 1.0,
        array|string|null $tags = null,
        mixed $cardinality = null,
    ): void {
        $this->microtiming($stat, \is_numeric($time) ? $time / 1000 : $time, $sampleRate, $tags);
    }

    /**
     * @param mixed $time in seconds
     * @param array<array-key, mixed>|string|null $tags
     */
    public function microtiming(
        string $stat,
        mixed $time,
        mixed $sampleRate = 1.0,
        array|string|null $tags = null,
        mixed $cardinality = null,
    ): void {
        $this->histogram(\preg_replace('/[._]seconds$/', '', $stat) . '_seconds', $time, $sampleRate, $tags);
    }

    /** @param array<array-key, mixed>|string|null $tags */
    public function set(
        string $stat,
        mixed $value,
        mixed $sampleRate = 1.0,
        array|string|null $tags = null,
        mixed $cardinality = null,
    ): void {
        $this->metrics->refuse(DropReason::Unsupported, "$stat: the server cannot count different values");
    }

    /**
     * A gauge with the status.
     *
     * @param array<array-key, mixed>|string|null $tags
     */
    public function serviceCheck(
        string $name,
        mixed $status,
        array|string|null $tags = null,
        ?string $hostname = null,
        ?string $message = null,
        mixed $timestamp = null,
    ): void {
        $labels = DogTags::labels($tags) + ($hostname === null ? [] : ['hostname' => $hostname]);
        $this->metrics->set(DogTags::name($name), $status, $labels);
    }

    /** @param array<array-key, mixed>|string|null $tags */
    public function service_check(
        string $name,
        mixed $status,
        array|string|null $tags = null,
        ?string $hostname = null,
        ?string $message = null,
        mixed $timestamp = null,
    ): void {
        $this->serviceCheck($name, $status, $tags, $hostname, $message, $timestamp);
    }

    /**
     * A line for Loki of the name `dogstatsd_event`.
     *
     * @param array<string, mixed> $vals `text`, `tags`, `date_happened`, `hostname`, `alert_type` and others
     */
    public function event(string $title, array $vals = []): bool
    {
        $tags = $vals['tags'] ?? null;
        $labels = ['title' => $title] + DogTags::labels(\is_array($tags) || \is_string($tags) ? $tags : null);
        $timestamp = $vals['date_happened'] ?? null;
        unset($vals['tags'], $vals['date_happened']);
        $timestamp = \is_string($timestamp) && \ctype_digit($timestamp) ? (int) $timestamp : $timestamp;
        $this->metrics->event('dogstatsd_event', $labels + $vals, 1, $timestamp);
        return true;
    }

    /** Sends what is buffered. */
    public function flush(): void
    {
        $this->metrics->flush();
    }

    public function flushBuffer(): void
    {
        $this->metrics->flush();
    }
}
