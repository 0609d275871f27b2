<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\MetricsInterface;

/** Runs, durations and exit codes of console commands. */
final class Commands
{
    private const NO_NAME = 'none';

    private readonly Meter $meter;

    /** @param array<array-key, mixed> $buckets */
    public function __construct(MetricsInterface $metrics, array $buckets)
    {
        $this->meter = new Meter(
            $metrics,
            'console_command',
            'Console commands',
            ['command'],
            'exit_code',
            $buckets,
            static fn (?int $signal): string => match (true) {
                $signal !== null => (string) (128 + $signal),
                Fatal::hasEndedTheScript() => '255',
                // Of exit() the code cannot be had.
                default => 'unknown',
            },
        );
    }

    public function begin(object $command, ?string $name): void
    {
        $this->meter->begin($command, static fn (): array => [$name ?? self::NO_NAME]);
    }

    public function end(object $command, int $exitCode): void
    {
        $this->meter->end($command, (string) $exitCode);
    }
}
