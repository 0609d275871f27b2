<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

/** Takes messages and does nothing with them. */
final class NullSink implements Sink
{
    public function append(string $line): void
    {
    }

    public function flush(): void
    {
    }

    public function tick(): void
    {
    }
}
