<?php

// A request that makes 20 calls of a client for `address`, or has none without it.
// Behind the end of all clients it notes in the file `books` how many of them were dropped.

declare(strict_types=1);

if (isset($_GET['address'])) {
    require __DIR__ . '/../bootstrap.php';

    $metrics = new MetricsServer\Metrics($_GET['address']);
    $calls = $metrics->counter('calls_total', 'Calls.', ['code']);
    for ($i = 0; $i < 20; $i++) {
        $calls->inc(['200']);
    }
    if (isset($_GET['books'])) {
        $note = static fn () => \file_put_contents($_GET['books'], "{$metrics->dropped()}\n", \FILE_APPEND | \LOCK_EX);
        // The client ends its buffer twice, the second time behind the functions that are registered by then.
        \register_shutdown_function('register_shutdown_function', 'register_shutdown_function', $note);
    }
}
echo 'done';
