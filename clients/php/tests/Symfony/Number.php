<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Symfony;

/** A message. */
final class Number
{
    public function __construct(public readonly int $number)
    {
    }
}
