<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Laravel;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Queue\InteractsWithQueue;

/** Ends in one of the ways in which Laravel's jobs end. */
final class Job implements ShouldQueue
{
    use InteractsWithQueue;
    use Queueable;

    public function __construct(private readonly string $way)
    {
    }

    public function handle(): void
    {
        match ($this->way) {
            'throws' => throw new \DomainException('on purpose'),
            'fails' => $this->fail(new \DomainException('on purpose')),
            // Once; the second attempt works.
            'releases' => $this->attempts() === 1 ? $this->release() : null,
            'works' => null,
        };
    }
}
