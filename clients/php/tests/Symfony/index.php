<?php

// The front controller.

declare(strict_types=1);

use MetricsServer\Tests\Symfony\Kernel;
use Symfony\Component\ErrorHandler\ErrorHandler;
use Symfony\Component\HttpFoundation\Request;

require __DIR__ . '/app.php';

// As Symfony's runtime does it.
ErrorHandler::register(null, false);
$metrics = [
    'enabled' => !isset($_SERVER['METRICS_OFF']),
    'address' => $_SERVER['METRICS_ADDRESS'],
    'prefix' => 'app_',
    'labels' => ['env' => 'test'],
];
$kernel = new Kernel($metrics, $_SERVER['APP_DIRECTORY']);
$request = Request::createFromGlobals();
$response = $kernel->handle($request);
$response->send();
$kernel->terminate($request, $response);
