<?php

declare(strict_types=1);

namespace MetricsServer\Laravel;

use Illuminate\Console\Events\CommandFinished;
use Illuminate\Console\Events\CommandStarting;
use Illuminate\Contracts\Events\Dispatcher;
use MetricsServer\Internal\Commands;
use MetricsServer\MetricsInterface;

/** Counts and times Artisan's commands. */
final class CommandListener
{
    public function __construct(private readonly Commands $commands, private readonly MetricsInterface $metrics)
    {
    }

    public function listen(Dispatcher $events): void
    {
        $events->listen(CommandStarting::class, $this->onStarting(...));
        $events->listen(CommandFinished::class, $this->onFinished(...));
    }

    private function onStarting(CommandStarting $event): void
    {
        $this->commands->begin($event->input, $event->command);
    }

    private function onFinished(CommandFinished $event): void
    {
        $this->commands->end($event->input, $event->exitCode);
        $this->metrics->flush();
    }
}
