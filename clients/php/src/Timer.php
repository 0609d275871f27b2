<?php

declare(strict_types=1);

namespace MetricsServer;

/** Measures from its making to observe(). Histogram::startTimer() makes it. */
final class Timer
{
    private readonly int $startedAt;
    private bool $isObserved = false;

    /** @internal */
    public function __construct(private readonly Histogram $histogram)
    {
        $this->startedAt = \hrtime(true);
    }

    /**
     * Observes the seconds since the start; a second call observes nothing.
     *
     * @param array<array-key, mixed> $labels
     * @return float the seconds since the start
     */
    public function observe(array $labels = []): float
    {
        $seconds = (\hrtime(true) - $this->startedAt) / 1e9;
        if (!$this->isObserved) {
            $this->isObserved = true;
            $this->histogram->observe($seconds, $labels);
        }
        return $seconds;
    }
}
