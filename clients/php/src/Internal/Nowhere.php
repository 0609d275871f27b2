<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

/** Takes the place of the outbox where there is no address to send to: every message is refused. */
final class Nowhere implements Sink
{
    public function __construct(private readonly Refusal $refusal, private readonly Drops $drops)
    {
    }

    public function append(string $line): void
    {
        $this->drops->refuse($this->refusal);
    }

    public function flush(): void
    {
    }

    public function tick(): void
    {
    }
}
