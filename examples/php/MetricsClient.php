<?php

declare(strict_types=1);

/**
 * Sends metrics to metrics-server, over UDP or a unix socket, in batches.
 *
 * Metric calls only append to a buffer; the buffer is sent when it is full, on flush(), and when the script ends,
 * also after exit() or a fatal error. Nothing here throws or warns on account of the network, of a metric's value or of
 * a label's: values are numbers, numeric strings, booleans (1 and 0) and null (0, as the server has it), and what could
 * not be sent is lost and counted by dropped(). PHP 8.1 or newer, no extension beyond the default ones.
 */
final class MetricsClient
{
    /** What an Ethernet frame carries without fragments: 1,500 less 40 for IPv6, 8 for UDP, and room for a tunnel. */
    private const BATCH_OFF_HOST = 1432;
    /** On the loopback and on unix sockets nothing fragments. */
    private const BATCH_LOCAL = 8192;
    /** How long a connect or a write may hold up the script, in seconds. */
    private const TIMEOUT = 0.2;
    /** After a failure batches are dropped unsent for so long, so that a server that hangs costs a script little. */
    private const PAUSE = 1.0;
    /** Series whose text is kept; past it the cache starts anew. */
    private const CACHE_SERIES = 1000;
    private const JSON_FLAGS = JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;

    /** @var array<string, string> a series' message up to its value */
    private array $prefixes = [];
    private string $buffer = '';
    private int $buffered = 0;
    private int $dropped = 0;
    private float $pausedUntil = 0.0;
    private readonly int $batchBytes;
    /** @var resource|null */
    private $socket = null;

    /**
     * @param string $address `udp://127.0.0.1:9999` or `unix:///run/metric-server.sock`
     * @param int|null $batchBytes the largest batch; by default what suits the address
     */
    public function __construct(private readonly string $address, ?int $batchBytes = null)
    {
        $this->batchBytes = $batchBytes ?? (self::isLocal($address) ? self::BATCH_LOCAL : self::BATCH_OFF_HOST);
        // After a fatal error shutdown functions run but destructors do not.
        // The weak reference lets a client that nobody needs any more go before the end.
        $self = \WeakReference::create($this);
        \register_shutdown_function(static function () use ($self): void {
            $self->get()?->flush();
        });
    }

    public function __destruct()
    {
        $this->flush();
    }

    /**
     * Adds to a counter.
     *
     * @param int|float|numeric-string $by
     * @param array<string, scalar|\Stringable|null> $labels
     */
    public function inc(string $name, array $labels = [], mixed $by = 1, string $help = ''): void
    {
        $this->record('inc', $name, $labels, $by, $help);
    }

    /**
     * Sets a gauge.
     *
     * @param int|float|numeric-string $value
     * @param array<string, scalar|\Stringable|null> $labels
     */
    public function set(string $name, mixed $value, array $labels = [], string $help = ''): void
    {
        $this->record('set', $name, $labels, $value, $help);
    }

    /**
     * Adds to a gauge.
     *
     * @param int|float|numeric-string $by of any sign
     * @param array<string, scalar|\Stringable|null> $labels
     */
    public function add(string $name, mixed $by, array $labels = [], string $help = ''): void
    {
        $this->record('add', $name, $labels, $by, $help);
    }

    /**
     * Observes a value into a histogram.
     *
     * @param int|float|numeric-string $value
     * @param array<string, scalar|\Stringable|null> $labels
     * @param array<string, int|float|list<int|float>> $buckets the message's bucket fields, for example
     *     `['bucket_custom' => [0.1, 0.5, 1]]` or `['buckets' => 10, 'bucket_min' => 1, 'bucket_max' => 70]`;
     *     those of the family's first observation count
     */
    public function observe(
        string $name,
        mixed $value,
        array $labels = [],
        array $buckets = [],
        string $help = '',
    ): void {
        $this->record('obs', $name, $labels, $value, $help, $buckets);
    }

    /** Sends what is buffered. */
    public function flush(): void
    {
        if ($this->buffered === 0) {
            return;
        }
        $now = \microtime(true);
        if ($now < $this->pausedUntil) {
            $this->dropped += $this->buffered;
        } elseif (!$this->send($this->buffer)) {
            $this->dropped += $this->buffered;
            $this->pausedUntil = $now + self::PAUSE;
        }
        $this->buffer = '';
        $this->buffered = 0;
    }

    /** How many messages are known to be lost. UDP may lose others unseen. */
    public function dropped(): int
    {
        return $this->dropped;
    }

    /**
     * @param array<string, mixed> $labels
     * @param array<string, mixed> $buckets
     */
    private function record(
        string $op,
        string $name,
        array $labels,
        mixed $value,
        string $help,
        array $buckets = [],
    ): void {
        try {
            $number = self::number($value);
            // serialize() tells all label sets apart, which joining their texts would not.
            $key = \serialize([$op, $name, $labels, $help, $buckets]);
            $prefix = $this->prefixes[$key] ?? $this->remember($key, $op, $name, $labels, $help, $buckets);
            $message = $prefix . \json_encode($number, JSON_THROW_ON_ERROR) . "}\n";
        } catch (\Throwable) {
            $this->dropped++;
            return;
        }
        if (\strlen($this->buffer) + \strlen($message) > $this->batchBytes) {
            $this->flush();
        }
        $this->buffer .= $message;
        $this->buffered++;
    }

    /**
     * Encodes a message up to its value. The value comes last and the labels are sorted, so that all messages of one
     * series begin with the same bytes, which the server recognises faster than it parses.
     *
     * @param array<string, mixed> $labels
     * @param array<string, mixed> $buckets
     */
    private function remember(
        string $key,
        string $op,
        string $name,
        array $labels,
        string $help,
        array $buckets,
    ): string {
        \ksort($labels, SORT_STRING);
        $fields = ['op' => $op, 'name' => $name, 'labels' => (object) \array_map(self::labelText(...), $labels)];
        if ($help !== '') {
            $fields['help'] = $help;
        }
        $json = \json_encode($fields + $buckets, self::JSON_FLAGS | JSON_THROW_ON_ERROR);
        if (\count($this->prefixes) >= self::CACHE_SERIES) {
            $this->prefixes = [];
        }
        return $this->prefixes[$key] = \substr($json, 0, -1) . ',"value":';
    }

    /** A number as it is, and one in a text, such as a database gives, as a number. */
    private static function number(mixed $value): int|float
    {
        $number = match (true) {
            \is_string($value) && \is_numeric($value) => $value + 0,
            $value === null, \is_bool($value) => (int) $value,
            default => $value,
        };
        if (!\is_int($number) && !(\is_float($number) && \is_finite($number))) {
            throw new \ValueError('a value is a finite number');
        }
        return $number;
    }

    private static function labelText(mixed $value): string
    {
        return match (true) {
            \is_string($value) => $value,
            \is_bool($value) => $value ? 'true' : 'false',
            $value === null, \is_int($value), \is_float($value), $value instanceof \Stringable => (string) $value,
            default => throw new \TypeError('a label value is text'),
        };
    }

    /** Whether all bytes were handed to the kernel. */
    private function send(string $bytes): bool
    {
        // fwrite() and stream_socket_client() raise notices, which many programs turn into exceptions.
        \set_error_handler(static fn (): bool => true);
        try {
            // A server that was restarted leaves a dead connection behind: one more try, on a new one.
            // What is sent in part is not sent again, or its first messages would count twice.
            for ($try = 0; $try < 2; $try++) {
                $this->socket ??= $this->connect();
                $written = $this->socket === null ? 0 : (int) \fwrite($this->socket, $bytes);
                if ($written === \strlen($bytes)) {
                    return true;
                }
                $this->socket = null;
                if ($written > 0) {
                    return false;
                }
            }
            return false;
        } catch (\Throwable) {
            $this->socket = null;
            return false;
        } finally {
            \restore_error_handler();
        }
    }

    /** @return resource|null */
    private function connect()
    {
        $socket = \stream_socket_client($this->address, timeout: self::TIMEOUT);
        if ($socket === false) {
            return null;
        }
        \stream_set_timeout($socket, 0, (int) (self::TIMEOUT * 1e6));
        return $socket;
    }

    private static function isLocal(string $address): bool
    {
        return \preg_match('~^(unix://|udp://(127\.|localhost:|\[::1\]))~i', $address) === 1;
    }
}
