<?php

declare(strict_types=1);

namespace MetricsServer\Laravel;

use Illuminate\Contracts\Events\Dispatcher;
use MetricsServer\Internal\HttpRequests;
use MetricsServer\MetricsInterface;

/** Octane's workers live on: after each request, task and tick what was counted is sent, and nothing stays open. */
final class OctaneListener
{
    private const EVENTS = 'Laravel\Octane\Events\\';

    public function __construct(
        private readonly ?HttpRequests $requests,
        private readonly MetricsInterface $metrics,
    ) {
    }

    /** By name: Octane may not be there. */
    public function listen(Dispatcher $events): void
    {
        foreach (['RequestTerminated', 'TaskTerminated', 'TickTerminated', 'WorkerStopping'] as $event) {
            $events->listen(self::EVENTS . $event, $this->onEnd(...));
        }
        $events->listen(self::EVENTS . 'WorkerErrorOccurred', $this->onError(...));
    }

    private function onEnd(): void
    {
        $this->metrics->flush();
        $this->metrics->tick();
    }

    /** The request at hand has no answer of the application's. */
    private function onError(): void
    {
        $this->requests?->endUnanswered();
        $this->onEnd();
    }
}
