<?php

declare(strict_types=1);

namespace MetricsServer;

use MetricsServer\Internal\Family;

/**
 * A number that goes up and down. Metrics::gauge() makes it.
 *
 * There is no add(): the server has no message for it yet, and what one process knows is not the gauge of all.
 */
final class Gauge
{
    /** @internal */
    public function __construct(private readonly Family $family)
    {
    }

    /** @param array<array-key, mixed> $labels by name, or in the order in which they were declared */
    public function set(mixed $value, array $labels = []): void
    {
        $this->family->record($value, $labels);
    }
}
