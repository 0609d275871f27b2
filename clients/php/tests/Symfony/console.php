<?php

// The console: `php console.php METRICS-AS-JSON DIRECTORY COMMAND...`.

declare(strict_types=1);

use MetricsServer\Tests\Symfony\Kernel;
use Symfony\Bundle\FrameworkBundle\Console\Application;
use Symfony\Component\Console\Input\ArgvInput;
use Symfony\Component\ErrorHandler\ErrorHandler;

require __DIR__ . '/app.php';

ErrorHandler::register(null, false);
[$script, $metrics, $directory] = $argv;
$kernel = new Kernel(\json_decode($metrics, true, 16, \JSON_THROW_ON_ERROR), $directory);
exit((new Application($kernel))->run(new ArgvInput([$script, ...\array_slice($argv, 3)])));
