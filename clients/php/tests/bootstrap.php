<?php

declare(strict_types=1);

// The suite runs with Debian's phpunit and php-psr-log as well as with what Composer installs.
if (\is_file(__DIR__ . '/../vendor/autoload.php')) {
    require_once __DIR__ . '/../vendor/autoload.php';
}
\spl_autoload_register(static function (string $class): void {
    $places = ['MetricsServer\\Tests\\' => __DIR__ . '/', 'MetricsServer\\' => __DIR__ . '/../src/'];
    foreach ($places as $prefix => $directory) {
        $file = $directory . \strtr(\substr($class, \strlen($prefix)), '\\', '/') . '.php';
        if (\str_starts_with($class, $prefix) && \is_file($file)) {
            require $file;
            return;
        }
    }
});
@include_once 'Psr/Log/autoload.php';
