<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

use Psr\Log\AbstractLogger;

final class RecordingLogger extends AbstractLogger
{
    /** @var list<array<string, mixed>> the context of each message */
    public array $told = [];

    /** @param array<string, mixed> $context */
    public function log($level, $message, array $context = []): void
    {
        $this->told[] = $context;
    }

    /** @return list<string> */
    public function reasons(): array
    {
        return \array_column($this->told, 'reason');
    }
}
