<?php

// A request that ends in one of the ways in which PHP's requests end. It makes two messages in any case.

declare(strict_types=1);

require __DIR__ . '/../bootstrap.php';

$end = $_GET['end'];
$metrics = new MetricsServer\Metrics($_SERVER['METRICS_ADDRESS']);
$metrics->counter('fpm_requests_total', 'Requests.', ['end'])->inc([$end]);
$seconds = $metrics->histogram('fpm_request_seconds', 'Durations.');
switch ($end) {
    case 'exception':
        $seconds->time(static fn () => throw new RuntimeException('on purpose'));
        // No break: the exception ends the request.
    case 'exit':
        $seconds->observe(0.1);
        exit(1);
    case 'fatal':
        $seconds->observe(0.1);
        no_such_function();
        // No break: the error ends the request.
    case 'memory':
        $seconds->observe(0.1);
        $all = [];
        while (true) {
            $all[] = [\count($all)];
        }
    case 'time-out':
        $seconds->observe(0.1);
        \set_time_limit(1);
        while (true) {
            \hrtime(true);
        }
    case 'finished':
        \fastcgi_finish_request();
        $seconds->observe(0.1);
        break;
    case 'shutdown':
        \register_shutdown_function(static function () use ($seconds): void {
            $seconds->observe(0.1);
        });
        break;
    default:
        $seconds->observe(0.1);
}
echo 'done';
