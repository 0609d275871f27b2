<?php

// What one call costs, beside what it cannot cost less than and beside other clients, all in one run:
//
//     php -d opcache.enable_cli=1 bench/bench.php [--promphp DIR] [--dogstatsd DIR] [--rounds N]
//
// DIR is the directory of promphp/prometheus_client_php or of datadog/php-datadogstatsd.
// A process of its own reads what is sent by UDP. Figures are processor time of this process, user and system,
// so that other programs' turns are not in them. The rounds are interleaved, and the median of them is shown.

declare(strict_types=1);

require __DIR__ . '/../tests/bootstrap.php';
require __DIR__ . '/Receiver.php';
require __DIR__ . '/rows.php';

$options = \getopt('', ['promphp:', 'dogstatsd:', 'rounds:']);
$rounds = (int) ($options['rounds'] ?? 9);
$receiver = new Receiver();
$rows = rows($receiver->port, $options['promphp'] ?? null, $options['dogstatsd'] ?? null);

$times = [];
for ($round = 0; $round <= $rounds; $round++) {
    foreach ($rows as $name => $row) {
        $startedAt = processorTime();
        $row['run']($row['calls']);
        $nanoseconds = (processorTime() - $startedAt) / $row['calls'];
        // The first round compiles, resolves and fills caches.
        if ($round > 0) {
            $times[$name][] = $nanoseconds;
        }
    }
}

function processorTime(): int
{
    $usage = \getrusage() ?: [];
    return 1_000_000_000 * ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec'])
        + 1000 * ($usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec']);
}

$opcache = \function_exists('opcache_get_status') ? \opcache_get_status(false) : false;
\printf(
    "PHP %s, opcache %s, jit %s, %d rounds, load %.1f\n\n",
    \PHP_VERSION,
    $opcache ? 'on' : 'off',
    ($opcache['jit']['on'] ?? false) ? 'on' : 'off',
    $rounds,
    \sys_getloadavg()[0] ?? 0,
);
echo "| call | median ns | fastest ns |\n|---|---|---|\n";
foreach ($times as $name => $all) {
    \sort($all);
    \printf("| %s | %d | %d |\n", $name, $all[\intdiv(\count($all), 2)], $all[0]);
}
