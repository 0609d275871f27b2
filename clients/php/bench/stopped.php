<?php

// How long requests take whose server is stopped (SIGSTOP), beside a server that runs:
//
//     METRICS_SERVER=target/release/metrics-server php -d opcache.enable_cli=1 clients/php/bench/stopped.php
//
// A request makes 20 calls and ends with flush(). A worker keeps its client for all requests and calls tick();
// under FPM each request has a client of its own. Times are the process's own, user and system, and waits are its
// voluntary switches, of up to maxBlockMs each: other programs' turns on a busy machine add to neither.

declare(strict_types=1);

use MetricsServer\Metrics;
use MetricsServer\Tests\Server;

require __DIR__ . '/../tests/bootstrap.php';

const REQUESTS = 5000;
const CALLS = 20;

function processorMicroseconds(): int
{
    $usage = \getrusage();
    return 1_000_000 * ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec'])
        + $usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec'];
}

/** @return array{p50: int, p99: int, max: int, waits: int, dropped: int} times in microseconds */
function measure(string $address, bool $isWorker): array
{
    $times = [];
    $dropped = 0;
    $waits = \getrusage()['ru_nvcsw'];
    $metrics = new Metrics($address);
    $metrics->inc('warm_up_total');
    $metrics->flush();
    for ($request = 0; $request < REQUESTS; $request++) {
        $startedAt = processorMicroseconds();
        if (!$isWorker) {
            $metrics = new Metrics($address);
        }
        for ($i = 0; $i < CALLS; $i++) {
            $metrics->inc('requests_total', ['code' => '200']);
        }
        $metrics->flush();
        if ($isWorker) {
            $metrics->tick();
        } else {
            $dropped += $metrics->dropped();
            unset($metrics);
        }
        $times[] = processorMicroseconds() - $startedAt;
    }
    $dropped += isset($metrics) ? $metrics->dropped() : 0;
    \sort($times);
    return [
        'p50' => $times[REQUESTS / 2],
        'p99' => $times[(int) (REQUESTS * 0.99)],
        'max' => $times[REQUESTS - 1],
        'waits' => \getrusage()['ru_nvcsw'] - $waits,
        'dropped' => $dropped,
    ];
}

\printf("PHP %s, %d requests of %d calls, load %.1f\n\n", \PHP_VERSION, REQUESTS, CALLS, \sys_getloadavg()[0] ?? 0);
echo "| client | server | p50 µs | p99 µs | longest µs | waits | calls dropped |\n|---|---|---|---|---|---|---|\n";
foreach (['unix', 'udp'] as $transport) {
    foreach ([true, false] as $isWorker) {
        foreach ([true, false] as $isRunning) {
            $server = new Server();
            if (!$isRunning) {
                $server->signal(\SIGSTOP);
            }
            $row = measure($transport === 'unix' ? $server->unix() : $server->udp(), $isWorker);
            \printf(
                "| %s, %s | %s | %d | %d | %d | %d | %d |\n",
                $transport,
                $isWorker ? 'a worker' : 'a client for each request',
                $isRunning ? 'runs' : 'is stopped',
                $row['p50'],
                $row['p99'],
                $row['max'],
                $row['waits'],
                $row['dropped'],
            );
            unset($server);
        }
    }
}
