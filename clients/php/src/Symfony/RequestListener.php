<?php

declare(strict_types=1);

namespace MetricsServer\Symfony;

use MetricsServer\Internal\HttpRequests;
use MetricsServer\MetricsInterface;
use Symfony\Component\EventDispatcher\EventSubscriberInterface;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpKernel\Event\ExceptionEvent;
use Symfony\Component\HttpKernel\Event\FinishRequestEvent;
use Symfony\Component\HttpKernel\Event\RequestEvent;
use Symfony\Component\HttpKernel\Event\ResponseEvent;
use Symfony\Component\HttpKernel\KernelEvents;
use Symfony\Contracts\Service\ResetInterface;

/** Counts and times the requests of visitors, not those that the kernel makes to itself. */
final class RequestListener implements EventSubscriberInterface, ResetInterface
{
    private const FIRST = 4096;
    private const LAST = -4096;

    private readonly HttpRequests $requests;
    /** @var \WeakMap<Request, int> the status of those that are answered but not finished */
    private \WeakMap $statuses;

    /** @param list<float> $buckets */
    public function __construct(private readonly MetricsInterface $metrics, array $buckets)
    {
        $this->requests = new HttpRequests($metrics, $buckets);
        $this->statuses = new \WeakMap();
    }

    /** @return array<string, array{string, int}> */
    public static function getSubscribedEvents(): array
    {
        return [
            KernelEvents::REQUEST => ['onRequest', self::FIRST],
            KernelEvents::EXCEPTION => ['onException', self::FIRST],
            KernelEvents::RESPONSE => ['onResponse', self::LAST],
            KernelEvents::FINISH_REQUEST => ['onFinish', self::LAST],
            KernelEvents::TERMINATE => ['onTerminate', self::LAST],
        ];
    }

    public function onRequest(RequestEvent $event): void
    {
        $request = $event->getRequest();
        if ($event->isMainRequest()) {
            $this->requests->begin($request, $request->getRealMethod(), static function () use ($request): ?string {
                $route = $request->attributes->get('_route');
                return \is_string($route) ? $route : null;
            });
        }
    }

    public function onException(ExceptionEvent $event): void
    {
        $this->requests->countException($event->getThrowable());
    }

    public function onResponse(ResponseEvent $event): void
    {
        $this->statuses[$event->getRequest()] = $event->getResponse()->getStatusCode();
    }

    /** An exception that no listener has answered leaves no response behind. */
    public function onFinish(FinishRequestEvent $event): void
    {
        $this->requests->end($event->getRequest(), $this->statuses[$event->getRequest()] ?? 500);
    }

    /** The visitor has the answer; a worker's next request may wait anew. */
    public function onTerminate(): void
    {
        $this->metrics->flush();
        $this->metrics->tick();
    }

    /** Between two requests of a worker: Symfony 5.4 does not finish those that end by an Error. */
    public function reset(): void
    {
        $this->requests->endUnanswered();
    }
}
