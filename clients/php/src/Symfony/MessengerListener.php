<?php

declare(strict_types=1);

namespace MetricsServer\Symfony;

use MetricsServer\Internal\ClassName;
use MetricsServer\Internal\Jobs;
use MetricsServer\MetricsInterface;
use Symfony\Component\EventDispatcher\EventSubscriberInterface;
use Symfony\Component\Messenger\Event\WorkerMessageFailedEvent;
use Symfony\Component\Messenger\Event\WorkerMessageHandledEvent;
use Symfony\Component\Messenger\Event\WorkerMessageReceivedEvent;
use Symfony\Component\Messenger\Event\WorkerRunningEvent;

/** Counts and times the messages that a Messenger worker handles. */
final class MessengerListener implements EventSubscriberInterface
{
    /** Behind the listeners that decide whether a message is handled and whether it is tried again. */
    private const LAST = -4096;

    private readonly Jobs $messages;

    /** @param list<float> $buckets */
    public function __construct(private readonly MetricsInterface $metrics, array $buckets)
    {
        $this->messages = new Jobs($metrics, 'message', 'transport', $buckets);
    }

    /** @return array<string, array{string, int}> */
    public static function getSubscribedEvents(): array
    {
        return [
            WorkerMessageReceivedEvent::class => ['onReceived', self::LAST],
            WorkerMessageHandledEvent::class => ['onHandled', self::LAST],
            WorkerMessageFailedEvent::class => ['onFailed', self::LAST],
            WorkerRunningEvent::class => ['onRunning', self::LAST],
        ];
    }

    public function onReceived(WorkerMessageReceivedEvent $event): void
    {
        if ($event->shouldHandle()) {
            $message = $event->getEnvelope()->getMessage();
            $this->messages->begin($message, ClassName::of($message), $event->getReceiverName());
        }
    }

    public function onHandled(WorkerMessageHandledEvent $event): void
    {
        $this->messages->end($event->getEnvelope()->getMessage(), 'handled');
    }

    public function onFailed(WorkerMessageFailedEvent $event): void
    {
        $result = $event->willRetry() ? 'retried' : 'failed';
        $this->messages->end($event->getEnvelope()->getMessage(), $result);
    }

    /** An idle worker sends what its program has counted. */
    public function onRunning(): void
    {
        $this->metrics->tick();
    }
}
