<?php

declare(strict_types=1);

namespace MetricsServer\Laravel;

use Illuminate\Contracts\Config\Repository;
use Illuminate\Contracts\Events\Dispatcher;
use Illuminate\Contracts\Http\Kernel as HttpKernel;
use Illuminate\Foundation\Http\Kernel;
use Illuminate\Support\Arr;
use Illuminate\Support\ServiceProvider;
use MetricsServer\Internal\Commands;
use MetricsServer\Internal\HttpRequests;
use MetricsServer\Internal\Jobs;
use MetricsServer\Metrics;
use MetricsServer\MetricsInterface;
use MetricsServer\NullMetrics;

/** Makes the client a singleton, and measures what config/metrics-server.php has switched on. */
final class MetricsServiceProvider extends ServiceProvider
{
    private const CONFIG_FILE = __DIR__ . '/../../config/metrics-server.php';

    /** Octane makes a container for each request; what a worker keeps is here. */
    private ?MetricsInterface $client = null;

    public function register(): void
    {
        $this->mergeConfigFrom(self::CONFIG_FILE, 'metrics-server');
        $this->app->singleton(MetricsInterface::class, fn (): MetricsInterface => $this->client());
        if ($this->isEnabled()) {
            $this->app->alias(MetricsInterface::class, Metrics::class);
        }
    }

    public function boot(): void
    {
        $this->publishes([self::CONFIG_FILE => $this->app->configPath('metrics-server.php')], 'metrics-server-config');
        if (!$this->isEnabled()) {
            return;
        }
        $events = $this->app->make(Dispatcher::class);
        $requests = $this->isOn('requests') ? new HttpRequests($this->client(), $this->buckets('requests')) : null;
        if ($requests !== null) {
            $this->measureRequests($requests);
        }
        if ($this->isOn('commands')) {
            (new CommandListener(new Commands($this->client(), $this->buckets('commands')), $this->client()))
                ->listen($events);
        }
        if ($this->isOn('jobs')) {
            (new JobListener(new Jobs($this->client(), 'job', 'queue', $this->buckets('jobs')), $this->client()))
                ->listen($events);
        }
        (new OctaneListener($requests, $this->client()))->listen($events);
    }

    /** What comes of .env may be a text, and a wrong setting is no reason to fail a request. */
    private function client(): MetricsInterface
    {
        return $this->client ??= !$this->isEnabled() ? new NullMetrics() : new Metrics(
            (string) $this->setting('address'),
            (string) $this->setting('prefix'),
            (array) $this->setting('labels'),
            $this->app->make('log'),
            (bool) $this->setting('debug'),
            (float) $this->setting('max_block_ms'),
        );
    }

    private function measureRequests(HttpRequests $requests): void
    {
        $middleware = new MeasureRequests($requests, $this->client());
        $this->app->instance(MeasureRequests::class, $middleware);
        $this->callAfterResolving(HttpKernel::class, static function (HttpKernel $kernel): void {
            if ($kernel instanceof Kernel) {
                $kernel->prependMiddleware(MeasureRequests::class);
            }
        });
    }

    private function isEnabled(): bool
    {
        return (bool) $this->setting('enabled');
    }

    private function isOn(string $what): bool
    {
        return (bool) $this->setting("$what.enabled");
    }

    /** @return array<array-key, mixed> */
    private function buckets(string $what): array
    {
        return (array) $this->setting("$what.buckets");
    }

    /** Laravel merges the outermost keys only, so that a switch of the project's may lack its buckets. */
    private function setting(string $key): mixed
    {
        return $this->app->make(Repository::class)->get("metrics-server.$key")
            ?? Arr::get(require self::CONFIG_FILE, $key);
    }
}
