<?php

declare(strict_types=1);

namespace MetricsServer;

use MetricsServer\Internal\Family;

/**
 * A number that goes up and down. Metrics::gauge() makes it.
 *
 * What is added by any number of processes counts from the last set() of any of them, and from 0 where there was none.
 */
final class Gauge
{
    /** @internal */
    public function __construct(private readonly Family $sets, private readonly Family $adds)
    {
    }

    /** @param array<array-key, mixed> $labels by name, or in the order in which they were declared */
    public function set(mixed $value, array $labels = []): void
    {
        $this->sets->record($value, $labels);
    }

    /**
     * @param mixed $by of any sign
     * @param array<array-key, mixed> $labels by name, or in the order in which they were declared
     */
    public function add(mixed $by, array $labels = []): void
    {
        $this->adds->record($by, $labels);
    }

    /** @param array<array-key, mixed> $labels by name, or in the order in which they were declared */
    public function inc(array $labels = []): void
    {
        $this->adds->recordOne($labels);
    }

    /** @param array<array-key, mixed> $labels by name, or in the order in which they were declared */
    public function dec(array $labels = []): void
    {
        $this->adds->record(-1, $labels);
    }
}
