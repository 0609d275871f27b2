<?php

declare(strict_types=1);

use MetricsServer\Histogram;

return [
    // false: nothing is measured or sent, and MetricsInterface is a NullMetrics.
    'enabled' => (bool) env('METRICS_ENABLED', true),

    // `udp://host:port` or `unix:///path`.
    'address' => (string) env('METRICS_ADDRESS', 'udp://127.0.0.1:9999'),

    // In front of every name, such as `shop_`.
    'prefix' => '',

    // Of every message, such as `['env' => env('APP_ENV')]`.
    'labels' => [],

    // How long all writes of a request together may wait for a server that is behind.
    'max_block_ms' => 5,

    // Whether the log names file and line of a refused call.
    'debug' => (bool) env('APP_DEBUG', false),

    // What is measured without your doing; buckets are upper bounds in seconds.
    'requests' => ['enabled' => true, 'buckets' => Histogram::SECONDS],
    'commands' => ['enabled' => true, 'buckets' => [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600]],
    'jobs' => ['enabled' => true, 'buckets' => [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600]],
];
