<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Symfony;

/** How a command went. */
final class Run
{
    public function __construct(public readonly int $exitCode, public readonly string $output)
    {
    }
}
