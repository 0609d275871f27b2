<?php

declare(strict_types=1);

namespace MetricsServer;

use MetricsServer\Internal\Family;

/** A number that only grows. Metrics::counter() makes it. */
final class Counter
{
    /** @internal */
    public function __construct(private readonly Family $family)
    {
    }

    /** @param array<array-key, mixed> $labels by name, or in the order in which they were declared */
    public function inc(array $labels = []): void
    {
        $this->family->recordOne($labels);
    }

    /** @param array<array-key, mixed> $labels by name, or in the order in which they were declared */
    public function add(mixed $by, array $labels = []): void
    {
        $this->family->record($by, $labels);
    }
}
