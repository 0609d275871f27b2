<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

/** As the number types of many libraries. */
final class Money
{
    public function __construct(private readonly string $text)
    {
    }

    public function __toString(): string
    {
        return $this->text === 'broken' ? throw new \LogicException('no text') : $this->text;
    }
}
