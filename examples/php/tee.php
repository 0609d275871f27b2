<?php

// Copies each datagram to several servers, for running two of them side by side on the same traffic:
// `php tee.php 0.0.0.0:9999 127.0.0.1:19998 127.0.0.1:19999`. One datagram at a time: for trials, not for floods.

declare(strict_types=1);

[, $from] = $argv + [1 => ''];
$to = array_slice($argv, 2);
if ($from === '' || $to === []) {
    fwrite(STDERR, "usage: php tee.php LISTEN_HOST:PORT TO_HOST:PORT...\n");
    exit(2);
}

$in = stream_socket_server("udp://$from", $code, $message, STREAM_SERVER_BIND);
if ($in === false) {
    fwrite(STDERR, "cannot listen on $from: $message\n");
    exit(1);
}
$out = array_map(static fn (string $address) => stream_socket_client("udp://$address"), $to);

while (($datagram = stream_socket_recvfrom($in, 65535)) !== false) {
    foreach ($out as $socket) {
        // A server that is away refuses some datagrams; the other one is to get all the same.
        if ($datagram !== '') {
            @fwrite($socket, $datagram);
        }
    }
}
