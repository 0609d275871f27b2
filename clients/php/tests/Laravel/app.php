<?php

// The application of both ways in, as laravel/laravel has it in bootstrap/app.php: Debian's Laravel, or Composer's.

declare(strict_types=1);

use Illuminate\Contracts\Console\Kernel as ConsoleKernel;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Http\Kernel as HttpKernel;
use Illuminate\Foundation\Application;
use Illuminate\Foundation\Exceptions\Handler;

require_once __DIR__ . '/../bootstrap.php';
@include_once 'Illuminate/autoload.php';

return static function (string $directory): Application {
    $app = new Application($directory);
    $app->singleton(HttpKernel::class, Illuminate\Foundation\Http\Kernel::class);
    $app->singleton(ConsoleKernel::class, Illuminate\Foundation\Console\Kernel::class);
    $app->singleton(ExceptionHandler::class, $_SERVER['APP_HANDLER'] ?? Handler::class);
    return $app;
};
