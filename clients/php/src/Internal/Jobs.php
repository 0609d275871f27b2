<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\MetricsInterface;

/** Results and durations of what a worker takes from its queues. */
final class Jobs
{
    private readonly Meter $meter;

    /**
     * @param string $name what the framework calls them: `message` or `job`
     * @param string $queueLabel where they come from
     * @param array<array-key, mixed> $buckets
     */
    public function __construct(
        private readonly MetricsInterface $metrics,
        string $name,
        string $queueLabel,
        array $buckets,
    ) {
        $this->meter = new Meter(
            $metrics,
            $name,
            \ucfirst($name) . 's',
            [$name, $queueLabel],
            'result',
            $buckets,
            static fn (): string => 'died',
        );
    }

    public function begin(object $job, string $name, string $queue): void
    {
        $this->meter->begin($job, static fn (): array => [$name, $queue]);
    }

    /** Sends at once, since the next job may come late or end the worker. */
    public function end(object $job, string $result): void
    {
        $this->meter->end($job, $result);
        $this->metrics->flush();
        $this->metrics->tick();
    }
}
