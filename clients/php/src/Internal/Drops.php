<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\DropReason;
use Psr\Log\LoggerInterface;

/** Counts the messages that were not sent, and tells a logger of each reason once. */
final class Drops
{
    /** @var array<string, int> messages by reason */
    private array $counts = [];
    /** @var array<string, string> the first detail of each reason that the logger has not heard of */
    private array $untold = [];

    /** @param bool $debug whether the logger gets the file and line of the call */
    public function __construct(private readonly ?LoggerInterface $logger, private readonly bool $debug)
    {
    }

    /** Counts without telling: while a batch is being sent, PHP's error handler is not the program's own. */
    public function count(DropReason $reason, int $messages, string $detail): void
    {
        if ($messages === 0) {
            return;
        }
        if (!isset($this->counts[$reason->value])) {
            $this->untold[$reason->value] = $detail;
        }
        $this->counts[$reason->value] = ($this->counts[$reason->value] ?? 0) + $messages;
    }

    /** Tells the logger what it has not heard of. A logger that throws is no reason to fail a request. */
    public function tell(): void
    {
        while ($this->untold !== []) {
            $reason = (string) \array_key_first($this->untold);
            $detail = $this->untold[$reason];
            unset($this->untold[$reason]);
            if ($this->logger === null) {
                continue;
            }
            try {
                $context = ['reason' => $reason, 'detail' => $detail] + ($this->debug ? self::caller() : []);
                $this->logger->warning(
                    'metrics-server: metrics are dropped ({reason}): {detail}; more of them are only counted',
                    $context,
                );
            } catch (\Throwable) {
            }
        }
    }

    public function refuse(Refusal $refusal): void
    {
        $this->count($refusal->reason, 1, $refusal->getMessage());
        $this->tell();
    }

    public function total(?DropReason $reason = null): int
    {
        return $reason === null ? \array_sum($this->counts) : $this->counts[$reason->value] ?? 0;
    }

    /** @return array<string, int> */
    public function byReason(): array
    {
        return $this->counts;
    }

    /** What the parent process has dropped is not the child's. */
    public function startAnew(): void
    {
        $this->counts = \array_fill_keys(\array_keys($this->counts), 0);
    }

    /** @return array{file?: string, line?: int} the nearest call from outside of this library */
    private static function caller(): array
    {
        $library = \dirname(__DIR__) . \DIRECTORY_SEPARATOR;
        foreach (\debug_backtrace(\DEBUG_BACKTRACE_IGNORE_ARGS) as $frame) {
            if (isset($frame['file'], $frame['line']) && !\str_starts_with($frame['file'], $library)) {
                return ['file' => $frame['file'], 'line' => $frame['line']];
            }
        }
        return [];
    }
}
