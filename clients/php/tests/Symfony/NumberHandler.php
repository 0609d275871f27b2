<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Symfony;

use MetricsServer\MetricsInterface;
use Symfony\Component\Messenger\Attribute\AsMessageHandler;

#[AsMessageHandler]
final class NumberHandler
{
    public function __construct(private readonly MetricsInterface $metrics)
    {
    }

    /** One in 1,000 fails, also when it is tried again. */
    public function __invoke(Number $number): void
    {
        $this->metrics->inc('numbers_total');
        if ($number->number % 1000 === 0) {
            throw new \DomainException("$number->number is round");
        }
    }
}
