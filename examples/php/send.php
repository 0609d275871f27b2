<?php

// Sends three metrics: `php send.php udp 127.0.0.1:9999` or `php send.php unix ./metric-server.sock`.

declare(strict_types=1);

require __DIR__ . '/MetricsClient.php';

[, $transport, $address] = $argv + [1 => '', 2 => ''];
if (!in_array($transport, ['udp', 'unix'], true) || $address === '') {
    fwrite(STDERR, "usage: php send.php udp HOST:PORT | unix PATH\n");
    exit(2);
}

$metrics = new MetricsClient("$transport://$address");
for ($i = 0; $i < 3; $i++) {
    $metrics->inc('php_requests_total', ['method' => 'GET', 'code' => '200'], help: 'Requests answered.');
}
$metrics->set('php_workers', 4, help: 'Workers that are running.');
$metrics->observe(
    'php_request_duration_seconds',
    0.25,
    ['method' => 'GET'],
    ['bucket_custom' => [0.1, 0.5, 1, 5]],
    'Time to answer a request.',
);
$metrics->flush();

if ($metrics->dropped() > 0) {
    fwrite(STDERR, "{$metrics->dropped()} messages could not be sent\n");
    exit(1);
}
