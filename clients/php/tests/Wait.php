<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

/** Waits for states, never for times. */
final class Wait
{
    private const SECONDS = 30;

    /**
     * @param callable(): bool $holds
     * @param callable(): string|null $explain
     */
    public static function until(string $state, callable $holds, ?callable $explain = null): void
    {
        $end = \microtime(true) + self::SECONDS;
        while (!$holds()) {
            if (\microtime(true) > $end) {
                throw new \RuntimeException("never came: $state\n" . ($explain === null ? '' : $explain()));
            }
            \usleep(2000);
        }
    }
}
