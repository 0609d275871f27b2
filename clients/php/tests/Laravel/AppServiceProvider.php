<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Laravel;

use Illuminate\Contracts\Events\Dispatcher;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Artisan;
use Illuminate\Support\Facades\Route;
use Illuminate\Support\Facades\Schema;
use Illuminate\Support\ServiceProvider;
use MetricsServer\Laravel\MetricsFacade;
use MetricsServer\Metrics;
use MetricsServer\MetricsInterface;
use MetricsServer\Tests\Ends;

/** Routes and commands of the application. */
final class AppServiceProvider extends ServiceProvider
{
    public function boot(): void
    {
        Route::any('/order/{id}', static function (MetricsInterface $metrics, string $id): string {
            MetricsFacade::inc('orders_total');
            $isSame = !\app()->bound(Metrics::class) || \app(Metrics::class) === $metrics;
            $metrics->inc('same_client_total', ['same' => $isSame]);
            return "order $id";
        })->name('order');
        Route::get('/end/{way}', static function (string $way): void {
            Ends::by($way);
        });
        Artisan::command('app:fail {how}', function (string $how): int {
            if (!\is_numeric($how)) {
                Ends::by($how);
            }
            return (int) $how;
        });
        Artisan::command('app:queue', function (): void {
            Schema::create('jobs', static function (Blueprint $table): void {
                $table->bigIncrements('id');
                $table->string('queue')->index();
                $table->longText('payload');
                $table->unsignedTinyInteger('attempts');
                $table->unsignedInteger('reserved_at')->nullable();
                $table->unsignedInteger('available_at');
                $table->unsignedInteger('created_at');
            });
            foreach (['works', 'throws', 'fails', 'releases'] as $way) {
                \dispatch(new Job($way));
            }
            \dispatch(new Job('works'))->onQueue('mails');
            \dispatch(new Job('works'))->onConnection('sync');
        });
        Artisan::command('app:octane', function (Dispatcher $events, MetricsInterface $metrics): void {
            $metrics->inc('turns_total');
            $events->dispatch('Laravel\Octane\Events\RequestTerminated', [new \stdClass()]);
            // Nothing but the event has sent it.
            \posix_kill((int) \getmypid(), \SIGKILL);
        });
    }
}
