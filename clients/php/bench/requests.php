<?php

// What metrics add to a request of PHP-FPM behind nginx, whatever state the server is in:
//
//     METRICS_SERVER=target/release/metrics-server chrt -r 1 php clients/php/bench/requests.php [ROUNDS]
//
// chrt, as root, keeps other programs from taking the turns of these processes, which is all that p99 shows otherwise.
// A request of 20 calls and a client of its own, beside one that has no metrics at all and does not load the library.
// Each round makes one request of each row, in another order each time, one after the other, and measures its time
// from the connection to the end of the answer.

declare(strict_types=1);

use MetricsServer\Tests\Fpm;
use MetricsServer\Tests\Server;

require __DIR__ . '/../tests/bootstrap.php';

/** Of stopped servers after so many rounds what they have got is read, so that they are stopped and not full. */
const ROUNDS_STOPPED = 50;

$rounds = (int) ($argv[1] ?? 2000);
$running = new Server();
$stopped = new Server();
$full = new Server(['-udp-rcvbuf', '4096']);
$absent = new Server();
$absent->stop();
$full->signal(\SIGSTOP);
$full->fillQueue();
$rows = [
    'no metrics' => null,
    'unix, server runs' => $running->unix(),
    'udp, server runs' => $running->udp(),
    'unix, nothing listens' => $absent->unix(),
    'udp, nothing listens (wrong port)' => $absent->udp(),
    'unix, wrong path' => 'unix:///nowhere/ms.sock',
    'unix, server is stopped' => $stopped->unix(),
    'udp, server is stopped' => $stopped->udp(),
    'unix, server is stopped and full' => $full->unix(),
    'udp, server is stopped and full' => $full->udp(),
];
$fpm = new Fpm(\dirname(__DIR__) . '/tests/fpm/calls.php', 'GET /', []);
$names = \array_keys($rows);
$times = [];
for ($round = -100; $round < $rounds; $round++) {
    if ($round % ROUNDS_STOPPED === 0) {
        $stopped->signal(\SIGCONT);
        $stopped->page();
        $stopped->signal(\SIGSTOP);
    }
    \shuffle($names);
    foreach ($names as $name) {
        $line = 'GET /' . ($rows[$name] === null ? '' : '?address=' . \urlencode($rows[$name]));
        $startedAt = \hrtime(true);
        $fpm->requests([$line => 1]);
        // The first rounds fill caches.
        if ($round >= 0) {
            $times[$name][] = \intdiv(\hrtime(true) - $startedAt, 1000);
        }
    }
}

\printf("PHP %s, %d rounds, load %.1f\n\n", \PHP_VERSION, $rounds, \sys_getloadavg()[0] ?? 0);
echo "| request | p50 µs | p99 µs | p99 more than without |\n|---|---|---|---|\n";
$at = static function (string $name, float $part) use (&$times): int {
    \sort($times[$name]);
    return $times[$name][(int) (\count($times[$name]) * $part)];
};
foreach (\array_keys($rows) as $name) {
    $p99 = $at($name, 0.99);
    \printf("| %s | %d | %d | %d |\n", $name, $at($name, 0.5), $p99, $p99 - $at('no metrics', 0.99));
}
