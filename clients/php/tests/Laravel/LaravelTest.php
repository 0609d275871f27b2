<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Laravel;

use MetricsServer\Tests\Fpm;
use MetricsServer\Tests\Server;
use MetricsServer\Tests\ServerTestCase;

/** The provider in a real application, found by Laravel as Composer's packages are. */
final class LaravelTest extends ServerTestCase
{
    public function testRequests(): void
    {
        $server = new Server();
        $project = new Project(['address' => $server->unix(), 'prefix' => 'app_', 'labels' => ['env' => 'test']]);
        $fpm = new Fpm(__DIR__ . '/index.php', 'GET /order/0', ['APP_DIRECTORY' => $project->directory->path]);
        $server->pageOf(4);
        $lines = [
            'POST /order/7' => 20, 'GET /nowhere/1' => 5, 'GET /nowhere/2' => 5,
            'GET /end/exception' => 10, 'GET /end/error' => 10, 'GET /end/exit' => 10, 'GET /end/fatal' => 10,
            'GET /end/memory' => 10, 'GET /end/time-out' => 2,
        ];
        for ($id = 1; $id <= 100; $id++) {
            $lines["GET /order/$id"] = 1;
        }
        self::assertCount(\array_sum($lines), $fpm->requests($lines));
        // Those of unknown paths, too; of what ends the script Laravel makes no exception.
        $exceptions = 10 + 10 + 10;
        $calls = 2 * 121 + 2 * (1 + \array_sum($lines)) + $exceptions;
        $page = $server->pageOf($calls);
        self::assertSame([$calls, 0], [$page->accepted(), $page->rejected()], "$page->text\n{$fpm->logs()}");
        $expected = [
            'app_http_requests_total{env="test",method="GET",route="order",status="2xx"}' => 101,
            'app_http_requests_total{env="test",method="POST",route="order",status="2xx"}' => 20,
            'app_http_requests_total{env="test",method="GET",route="none",status="4xx"}' => 10,
            'app_http_requests_total{env="test",method="GET",route="end/{way}",status="5xx"}' => 42,
            'app_http_requests_total{env="test",method="GET",route="end/{way}",status="2xx"}' => 10,
            'app_http_request_duration_seconds_count{env="test",method="GET",route="end/{way}"}' => 52,
            'app_http_exceptions_total{env="test",exception="DomainException"}' => 10,
            'app_orders_total{env="test"}' => 121,
            'app_same_client_total{env="test",same="true"}' => 121,
        ];
        foreach ($expected as $series => $value) {
            self::assertSame((float) $value, $page->value($series), "$series\n$page->text\n{$fpm->logs()}");
        }
    }

    /** The script dies twice, in the kernel and in Laravel's shutdown function, behind which PHP runs no other. */
    public function testExceptionsWithoutAnAnswer(): void
    {
        $server = new Server();
        $project = new Project(['address' => $server->unix()]);
        $fpm = new Fpm(__DIR__ . '/index.php', 'GET /order/0', [
            'APP_DIRECTORY' => $project->directory->path,
            'APP_HANDLER' => DyingHandler::class,
        ]);
        $fpm->requests(['GET /end/exception' => 10]);
        $page = $server->pageOf(4 + 3 * 10);
        self::assertSame(
            [34, 10.0, 10.0],
            [
                $page->accepted(),
                $page->value('http_requests_total{method="GET",route="end/{way}",status="5xx"}'),
                $page->value('http_exceptions_total{exception="LogicException"}'),
            ],
            "$page->text\n{$fpm->logs()}",
        );
    }

    /** @return iterable<string, array{string, int, string}> a way to end, its exit code, and the one that is counted */
    public static function ends(): iterable
    {
        yield 'success' => ['0', 0, '0'];
        yield 'exit code' => ['3', 3, '3'];
        // Laravel 8 has no event for it, newer ones do.
        yield 'exception' => ['exception', 1, 'unknown|1'];
        yield 'exit()' => ['exit', 1, 'unknown'];
        yield 'fatal error' => ['fatal', 255, '255'];
        yield 'out of memory' => ['memory', 255, '255'];
    }

    /** @dataProvider ends */
    public function testCommands(string $how, int $exitCode, string $counted): void
    {
        $server = new Server();
        // As a project may have it that takes little from the package's file, and the rest from .env.
        $project = new Project(['address' => $server->udp(), 'prefix' => null, 'max_block_ms' => '5',
            'commands' => ['enabled' => true]]);
        self::assertSame($exitCode, $project->artisan(['app:fail', $how]), $project->logs());
        $page = $server->pageOf(2);
        $run = '/^console_commands_total\{command="app:fail",exit_code="(' . $counted . ')"\} 1$/m';
        self::assertMatchesRegularExpression($run, $page->text);
        self::assertSame(
            [2, 1.0, 1.0],
            [
                $page->accepted(),
                $page->value('console_command_duration_seconds_count{command="app:fail"}'),
                $page->value('console_command_duration_seconds_bucket{command="app:fail",le="3600"}'),
            ],
            $page->text,
        );
    }

    public function testJobs(): void
    {
        $server = new Server();
        $project = new Project(['address' => $server->udp(), 'commands' => ['enabled' => false]]);
        self::assertSame(0, $project->artisan(['app:queue']), $project->logs());
        $work = ['queue:work', '--stop-when-empty', '--tries=2', '--queue=default,mails', '--sleep=0'];
        self::assertSame(0, $project->artisan($work), $project->logs());
        $page = $server->pageOf(2 * 8);
        $expected = [
            ['default', 'processed', 2.0], ['default', 'released', 2.0], ['default', 'failed', 2.0],
            ['mails', 'processed', 1.0], ['sync', 'processed', 1.0],
        ];
        $job = 'job="MetricsServer\\\\Tests\\\\Laravel\\\\Job"';
        foreach ($expected as [$queue, $result, $count]) {
            $series = "jobs_total{{$job},queue=\"$queue\",result=\"$result\"}";
            self::assertSame($count, $page->value($series), "$series\n$page->text\n{$project->logs()}");
        }
        self::assertSame([16, 8.0], [$page->accepted(), $page->sum('job_duration_seconds_count')]);
    }

    public function testOctane(): void
    {
        $server = new Server();
        $project = new Project(['address' => $server->unix()]);
        $project->artisan(['app:octane']);
        self::assertSame(1.0, $server->pageOf(1)->value('turns_total'), $project->logs());
    }

    public function testSwitchedOff(): void
    {
        $server = new Server();
        foreach ([['enabled' => false], ['commands' => ['enabled' => false]]] as $off) {
            $project = new Project(['address' => $server->udp()] + $off);
            self::assertSame(3, $project->artisan(['app:fail', '3']), $project->logs());
        }
        self::assertSame(0, $server->page()->accepted());
    }
}
