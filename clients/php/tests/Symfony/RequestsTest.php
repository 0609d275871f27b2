<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Symfony;

use MetricsServer\Tests\Directory;
use MetricsServer\Tests\Fpm;
use MetricsServer\Tests\Server;
use MetricsServer\Tests\ServerTestCase;

/** The bundle in a real application under PHP-FPM and nginx. */
final class RequestsTest extends ServerTestCase
{
    public function testRequests(): void
    {
        $server = new Server();
        $directory = new Directory();
        $fpm = new Fpm(__DIR__ . '/index.php', 'GET /order/0', [
            'METRICS_ADDRESS' => $server->unix(),
            'APP_DIRECTORY' => $directory->path,
        ]);
        $server->pageOf(4);
        $lines = [
            'POST /order/7' => 20, 'BREW /order/7' => 3, 'GET /nowhere/1' => 5, 'GET /nowhere/2' => 5,
            'GET /end/exception' => 10, 'GET /end/error' => 10, 'GET /end/exit' => 10, 'GET /end/fatal' => 10,
            'GET /end/memory' => 10, 'GET /end/time-out' => 2,
        ];
        for ($id = 1; $id <= 100; $id++) {
            $lines["GET /order/$id"] = 1;
        }
        self::assertCount(\array_sum($lines), $fpm->requests($lines));
        $exceptions = 10 + 10 + 10 + 10 + 10 + 2;
        // The first one besides, and two calls of each order's controller.
        $calls = 2 * 124 + 2 * (1 + \array_sum($lines)) + $exceptions;
        $page = $server->pageOf($calls);
        self::assertSame([$calls, 0], [$page->accepted(), $page->rejected()], $page->text);
        $expected = [
            'app_http_requests_total{env="test",method="GET",route="order",status="2xx"}' => 101,
            'app_http_requests_total{env="test",method="POST",route="order",status="2xx"}' => 20,
            'app_http_requests_total{env="test",method="other",route="order",status="2xx"}' => 3,
            'app_http_requests_total{env="test",method="GET",route="none",status="4xx"}' => 10,
            'app_http_requests_total{env="test",method="GET",route="end",status="5xx"}' => 42,
            'app_http_requests_total{env="test",method="GET",route="end",status="2xx"}' => 10,
            'app_http_request_duration_seconds_count{env="test",method="GET",route="end"}' => 52,
            'app_http_exceptions_total{env="test",exception="DomainException"}' => 10,
            'app_orders_total{env="test"}' => 124,
            'app_same_client_total{env="test",same="true"}' => 124,
        ];
        foreach ($expected as $series => $value) {
            self::assertSame((float) $value, $page->value($series), "$series\n$page->text\n{$fpm->logs()}");
        }
    }

    /** A worker's requests are each counted, those that nobody answers as well, and its memory does not grow. */
    public function testOneKernelForManyRequests(): void
    {
        $server = new Server();
        $directory = new Directory();
        $log = ['file', "{$directory->path}/worker.log", 'a'];
        $command = [\PHP_BINARY, __DIR__ . '/worker.php', $server->unix(), $directory->path];
        $process = \proc_open($command, [1 => ['pipe', 'w'], 2 => $log], $pipes);
        self::assertNotFalse($process);
        $output = (string) \stream_get_contents($pipes[1]);
        self::assertSame(0, \proc_close($process), $output);
        // Four of an order, and two of the others; the exceptions that Symfony has made an answer of besides.
        $page = $server->pageOf(4 * 9800 + 2 * 200 + 100);
        $expected = [
            'http_requests_total{method="GET",route="order",status="2xx"}' => 9800,
            'http_requests_total{method="GET",route="end",status="5xx"}' => 200,
            'orders_total' => 9800,
        ];
        foreach ($expected as $series => $value) {
            self::assertSame((float) $value, $page->value($series), "$series\n$page->text");
        }
        \preg_match_all('/^(\d+) (\d+)$/m', $output, $lines);
        $residentKilobytes = \array_combine($lines[1], \array_map(\intval(...), $lines[2]));
        self::assertLessThan(300, $residentKilobytes[10_000] - $residentKilobytes[2000], $output);
    }
}
