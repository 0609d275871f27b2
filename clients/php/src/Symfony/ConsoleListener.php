<?php

declare(strict_types=1);

namespace MetricsServer\Symfony;

use MetricsServer\Internal\Commands;
use MetricsServer\MetricsInterface;
use Symfony\Component\Console\ConsoleEvents;
use Symfony\Component\Console\Event\ConsoleCommandEvent;
use Symfony\Component\Console\Event\ConsoleTerminateEvent;
use Symfony\Component\EventDispatcher\EventSubscriberInterface;

/** Counts and times console commands. */
final class ConsoleListener implements EventSubscriberInterface
{
    private const FIRST = 4096;
    private const LAST = -4096;

    private readonly Commands $commands;

    /** @param list<float> $buckets */
    public function __construct(private readonly MetricsInterface $metrics, array $buckets)
    {
        $this->commands = new Commands($metrics, $buckets);
    }

    /** @return array<string, array{string, int}> */
    public static function getSubscribedEvents(): array
    {
        return [
            ConsoleEvents::COMMAND => ['onCommand', self::FIRST],
            ConsoleEvents::TERMINATE => ['onTerminate', self::LAST],
        ];
    }

    /** The input is what a run has of its own: a command may run another, or itself. */
    public function onCommand(ConsoleCommandEvent $event): void
    {
        $this->commands->begin($event->getInput(), $event->getCommand()?->getName());
    }

    public function onTerminate(ConsoleTerminateEvent $event): void
    {
        $this->commands->end($event->getInput(), $event->getExitCode());
        $this->metrics->flush();
    }
}
