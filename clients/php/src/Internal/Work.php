<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\Timer;

/** Something that a Meter has seen begin. */
final class Work
{
    /**
     * @param object $key is kept, so that no other object gets its number meanwhile
     * @param \Closure(): list<string> $labels
     */
    public function __construct(
        public readonly object $key,
        public readonly \Closure $labels,
        public readonly Timer $timer,
        public readonly int $process,
    ) {
    }
}
