<?php

declare(strict_types=1);

namespace MetricsServer;

use MetricsServer\Internal\Address;
use MetricsServer\Internal\Drops;
use MetricsServer\Internal\Nowhere;
use MetricsServer\Internal\Outbox;
use MetricsServer\Internal\Recorder;
use MetricsServer\Internal\Records;
use MetricsServer\Internal\Refusal;
use Psr\Log\LoggerInterface;

/** Sends metrics to metrics-server by UDP or unix socket, in batches. */
final class Metrics implements MetricsInterface
{
    use Records;

    /**
     * Opens nothing; the first batch does.
     *
     * @param string $address `udp://127.0.0.1:9999` or `unix:///run/metric-server.sock`
     * @param string $prefix in front of every name, such as `shop_`
     * @param array<string, mixed> $labels of every message; those of a call win
     * @param LoggerInterface|null $logger is told once for each reason why messages are dropped
     * @param bool $debug whether the logger gets the file and line of the call as well
     * @param int|float $maxBlockMs how long all writes of a request together may wait for a server that is behind;
     *     tick() begins a new request; not at all at 0 or less
     * @param int|float $maxAgeSeconds after so long a call sends what is buffered, though it would fill no batch;
     *     at 0 or less each call sends at once
     * @param int|null $batchBytes the largest batch; by default 8,192 bytes on this host and 1,432 off it; over UDP at
     *     most 65,507, and a message that is longer than a batch is sent alone
     * @param bool $flushOnSigterm whether to send what is buffered when SIGTERM would end the script;
     *     needs pcntl, and leaves handlers of the program's own alone
     */
    public function __construct(
        string $address,
        string $prefix = '',
        array $labels = [],
        ?LoggerInterface $logger = null,
        bool $debug = false,
        int|float $maxBlockMs = 5,
        int|float $maxAgeSeconds = 1,
        ?int $batchBytes = null,
        bool $flushOnSigterm = true,
    ) {
        $drops = new Drops($logger, $debug);
        try {
            $target = Address::parse($address);
            $sink = new Outbox(
                $target->transport($drops, self::nanoseconds($maxBlockMs * 1e6)),
                $drops,
                $target->batchBytes($batchBytes),
                $target->messageBytesMax(),
                self::nanoseconds($maxAgeSeconds * 1e9),
                $flushOnSigterm,
            );
        } catch (Refusal $refusal) {
            $sink = new Nowhere($refusal, $drops);
        }
        $this->recorder = new Recorder($sink, $drops, $prefix, $labels);
    }

    /** From 0 to 30 years: a float that no int can hold, such as INF, becomes an arbitrary one. */
    private static function nanoseconds(int|float $wanted): int
    {
        return (int) \max(0, \min($wanted, 1e18));
    }
}
