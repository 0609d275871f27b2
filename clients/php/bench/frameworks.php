<?php

// What the Symfony bundle and the Laravel provider add to a request of PHP-FPM behind nginx: switched on beside off.
//
//     METRICS_SERVER=target/release/metrics-server chrt -r 1 php clients/php/bench/frameworks.php [ROUNDS]
//
// Each round makes one request of each row, in another order each time, one after the other.

declare(strict_types=1);

use MetricsServer\Tests\Directory;
use MetricsServer\Tests\Fpm;
use MetricsServer\Tests\Laravel\Project;
use MetricsServer\Tests\Server;

require __DIR__ . '/../tests/Symfony/app.php';
require __DIR__ . '/../tests/Laravel/app.php';

$rounds = (int) ($argv[1] ?? 2000);
$tests = \dirname(__DIR__) . '/tests';
$server = new Server();
$kept = [];
$rows = [];
foreach ([false, true] as $isOn) {
    $directory = new Directory();
    $project = new Project(['enabled' => $isOn, 'address' => $server->unix()]);
    \array_push($kept, $directory, $project);
    $symfony = ['APP_DIRECTORY' => $directory->path, 'METRICS_ADDRESS' => $server->unix()];
    $switch = $isOn ? 'on' : 'off';
    $rows["Symfony, $switch"] = new Fpm(
        "$tests/Symfony/index.php",
        'GET /order/0',
        $symfony + ($isOn ? [] : ['METRICS_OFF' => '1']),
    );
    $laravel = ['APP_DIRECTORY' => $project->directory->path];
    $rows["Laravel, $switch"] = new Fpm("$tests/Laravel/index.php", 'GET /order/0', $laravel);
}
$names = \array_keys($rows);
$times = [];
for ($round = -100; $round < $rounds; $round++) {
    \shuffle($names);
    foreach ($names as $name) {
        $startedAt = \hrtime(true);
        $rows[$name]->requests(['GET /order/7' => 1]);
        // The first rounds fill caches.
        if ($round >= 0) {
            $times[$name][] = \intdiv(\hrtime(true) - $startedAt, 1000);
        }
    }
}

\printf("PHP %s, %d rounds, load %.1f\n\n", \PHP_VERSION, $rounds, \sys_getloadavg()[0] ?? 0);
echo "| application | p50 µs | p99 µs |\n|---|---|---|\n";
foreach (\array_keys($rows) as $name) {
    \sort($times[$name]);
    \printf("| %s | %d | %d |\n", $name, $times[$name][(int) ($rounds * 0.5)], $times[$name][(int) ($rounds * 0.99)]);
}
