<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

/** Keeps messages as a server would read them. */
final class MemorySink implements Sink
{
    /** @var list<array<string, mixed>> */
    public array $messages = [];

    public function append(string $line): void
    {
        /** @var array<string, mixed> $message */
        $message = \json_decode($line, true, 16, \JSON_THROW_ON_ERROR);
        $this->messages[] = $message;
    }

    public function flush(): void
    {
    }

    public function tick(): void
    {
    }
}
