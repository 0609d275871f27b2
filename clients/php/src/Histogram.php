<?php

declare(strict_types=1);

namespace MetricsServer;

use MetricsServer\Internal\Family;

/** Counts values by size. Metrics::histogram() makes it. */
final class Histogram
{
    /** The bounds for durations that Prometheus' own client libraries have by default. */
    public const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    /** @internal */
    public function __construct(private readonly Family $family)
    {
    }

    /** @param array<array-key, mixed> $labels by name, or in the order in which they were declared */
    public function observe(mixed $value, array $labels = []): void
    {
        $this->family->record($value, $labels);
    }

    /**
     * Observes how many seconds the work takes, also when it throws.
     *
     * @template T
     * @param callable(): T $work
     * @param array<array-key, mixed> $labels
     * @return T
     */
    public function time(callable $work, array $labels = []): mixed
    {
        $timer = $this->startTimer();
        try {
            return $work();
        } finally {
            $timer->observe($labels);
        }
    }

    /** For labels that are known only at the end. */
    public function startTimer(): Timer
    {
        return new Timer($this);
    }
}
