<?php

declare(strict_types=1);

namespace MetricsServer\Laravel;

use Illuminate\Contracts\Events\Dispatcher;
use Illuminate\Contracts\Queue\Job;
use Illuminate\Queue\Events\JobExceptionOccurred;
use Illuminate\Queue\Events\JobProcessed;
use Illuminate\Queue\Events\JobProcessing;
use Illuminate\Queue\Events\Looping;
use Illuminate\Queue\Jobs\SyncJob;
use MetricsServer\Internal\Jobs;
use MetricsServer\MetricsInterface;

/** Counts and times the jobs of a queue's worker, and those that run at once. */
final class JobListener
{
    /** Of Laravel 9 and newer. The worker kills itself right after it, so that nothing else would be sent. */
    private const TIMED_OUT = 'Illuminate\Queue\Events\JobTimedOut';

    public function __construct(private readonly Jobs $jobs, private readonly MetricsInterface $metrics)
    {
    }

    public function listen(Dispatcher $events): void
    {
        $events->listen(JobProcessing::class, $this->onProcessing(...));
        $events->listen(JobProcessed::class, $this->onProcessed(...));
        $events->listen(JobExceptionOccurred::class, $this->onException(...));
        $events->listen(self::TIMED_OUT, $this->onTimeOut(...));
        $events->listen(Looping::class, $this->onLooping(...));
    }

    private function onProcessing(JobProcessing $event): void
    {
        $this->jobs->begin($event->job, $event->job->resolveName(), (string) $event->job->getQueue());
    }

    /** A job may fail or release itself without an exception. */
    private function onProcessed(JobProcessed $event): void
    {
        $this->jobs->end($event->job, match (true) {
            $event->job->hasFailed() => 'failed',
            $event->job->isReleased() => 'released',
            default => 'processed',
        });
    }

    /** Jobs that run at once are not tried again, which they learn only after this event. */
    private function onException(JobExceptionOccurred $event): void
    {
        $isLast = $event->job->hasFailed() || $event->job instanceof SyncJob;
        $this->jobs->end($event->job, $isLast ? 'failed' : 'released');
    }

    private function onTimeOut(object $event): void
    {
        $job = $event->job ?? null;
        if ($job instanceof Job) {
            $this->jobs->end($job, $job->hasFailed() ? 'failed' : 'released');
        }
    }

    /** An idle worker sends what its program has counted. */
    private function onLooping(): void
    {
        $this->metrics->tick();
    }
}
