<?php

declare(strict_types=1);

namespace MetricsServer\Laravel;

use Illuminate\Http\Request;
use Illuminate\Routing\Route;
use MetricsServer\Internal\HttpRequests;
use MetricsServer\MetricsInterface;
use Symfony\Component\HttpFoundation\Response;

/** The outermost middleware; the provider puts it there. */
final class MeasureRequests
{
    /** What `route:cache` calls a route that has no name, with other letters each time. */
    private const GENERATED_NAME = 'generated::';

    public function __construct(private readonly HttpRequests $requests, private readonly MetricsInterface $metrics)
    {
    }

    /** @param \Closure(Request): Response $next */
    public function handle(Request $request, \Closure $next): Response
    {
        $this->requests->begin(
            $request,
            $request->getRealMethod(),
            static fn (): ?string => self::routeName($request->route()),
        );
        try {
            $response = $next($request);
        } catch (\Throwable $exception) {
            // Laravel cannot answer, and may fail again at the end of the script, which nothing buffered survives.
            $this->requests->countException($exception);
            $this->requests->end($request, 500);
            $this->metrics->flush();
            throw $exception;
        }
        // Laravel has made an answer of it.
        $exception = $response->exception ?? null;
        if ($exception instanceof \Throwable) {
            $this->requests->countException($exception);
        }
        $this->requests->end($request, $response->getStatusCode());
        return $response;
    }

    /** The visitor has the answer; a worker's next request may wait anew. */
    public function terminate(): void
    {
        $this->metrics->flush();
        $this->metrics->tick();
    }

    private static function routeName(mixed $route): ?string
    {
        if (!$route instanceof Route) {
            return null;
        }
        $name = $route->getName();
        return $name === null || \str_starts_with($name, self::GENERATED_NAME) ? $route->uri() : $name;
    }
}
