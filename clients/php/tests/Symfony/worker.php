<?php

// One kernel for many requests, as RoadRunner and FrankenPHP have it: `php worker.php ADDRESS DIRECTORY`.
// Prints the number of requests and the resident memory in kilobytes, now and then.

declare(strict_types=1);

use MetricsServer\Tests\Symfony\Kernel;
use Symfony\Component\HttpFoundation\Request;

require __DIR__ . '/app.php';

[, $address, $directory] = $argv;
$kernel = new Kernel(['address' => $address, 'max_block_ms' => 10_000], $directory);
for ($number = 1; $number <= 10_000; $number++) {
    $path = match ($number % 100) {
        1 => '/end/exception',
        2 => '/end/error',
        default => "/order/$number",
    };
    $request = Request::create($path);
    try {
        $response = $kernel->handle($request);
        $kernel->terminate($request, $response);
    } catch (Error) {
        // Symfony 5.4 leaves it to the worker.
    }
    if ($number % 1000 === 0) {
        \preg_match('/^VmRSS:\s+(\d+) kB$/m', (string) \file_get_contents('/proc/self/status'), $resident);
        echo "$number $resident[1]\n";
    }
}
