<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\Counter;
use MetricsServer\MetricsInterface;

/**
 * Rate, errors and durations of the requests that a framework answers.
 *
 * Every label has few values: the route's name or pattern and never the path, the method if it is one of HTTP's,
 * the class of the status.
 */
final class HttpRequests
{
    private const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
    private const NO_ROUTE = 'none';

    private readonly Meter $meter;
    private readonly Counter $exceptions;

    /** @param array<array-key, mixed> $buckets */
    public function __construct(MetricsInterface $metrics, array $buckets)
    {
        $this->meter = new Meter(
            $metrics,
            'http_request',
            'HTTP requests',
            ['route', 'method'],
            'status',
            $buckets,
            static fn (): string => self::statusClass(Fatal::hasEndedTheScript() ? 500 : \http_response_code()),
        );
        $this->exceptions = $metrics->counter('http_exceptions_total', 'Exceptions of requests.', ['exception']);
    }

    /** @param \Closure(): ?string $route is asked at the end, when the router has run */
    public function begin(object $request, string $method, \Closure $route): void
    {
        $method = \in_array($method, self::METHODS, true) ? $method : 'other';
        $this->meter->begin($request, static fn (): array => [$route() ?? self::NO_ROUTE, $method]);
    }

    public function end(object $request, int $status): void
    {
        $this->meter->end($request, self::statusClass($status));
    }

    /** What a worker has left unanswered before its next request. */
    public function endUnanswered(): void
    {
        $this->meter->endAll(self::statusClass(500));
    }

    public function countException(\Throwable $exception): void
    {
        $this->exceptions->inc([ClassName::of($exception)]);
    }

    /** Without a status PHP sends 200. */
    private static function statusClass(int|bool $status): string
    {
        return \is_int($status) && $status >= 100 && $status < 600 ? \intdiv($status, 100) . 'xx' : '2xx';
    }
}
