<?php

// The console: `php artisan.php DIRECTORY COMMAND...`.

declare(strict_types=1);

use Illuminate\Contracts\Console\Kernel;
use Symfony\Component\Console\Input\ArgvInput;
use Symfony\Component\Console\Output\ConsoleOutput;

[$script, $directory] = $argv;
$kernel = (require __DIR__ . '/app.php')($directory)->make(Kernel::class);
$input = new ArgvInput([$script, ...\array_slice($argv, 2)]);
$status = $kernel->handle($input, new ConsoleOutput());
$kernel->terminate($input, $status);
exit($status);
