<?php

declare(strict_types=1);

use MetricsServer\Metrics;

/**
 * The calls to measure. Each runs its loop itself, so that no row pays for a call more than its own.
 *
 * @return array<string, array{calls: int, run: Closure(int): void}>
 */
function rows(int $port, ?string $promphp, ?string $dogstatsd): array
{
    $line = '{"op":"inc","name":"http_requests_total","labels":{"code":"200","method":"GET"},"value":1}' . "\n";
    $batch = \str_repeat($line, \intdiv(8192, \strlen($line)));
    $lines = \substr_count($batch, "\n");
    $socket = \socket_create(\AF_INET, \SOCK_DGRAM, \SOL_UDP);
    \socket_connect($socket, '127.0.0.1', $port);

    $metrics = new Metrics("udp://127.0.0.1:$port");
    $counter = $metrics->counter('http_requests_total', 'Requests.', ['method', 'code']);
    $plain = $metrics->counter('plain_total', 'Without labels.');
    $histogram = $metrics->histogram('http_request_duration_seconds', 'Durations.', ['method']);
    $labels = ['method' => 'GET', 'code' => '200'];

    $rows = [
        'an empty loop' => row(2_000_000, static function (int $calls): void {
            for ($i = 0; $i < $calls; $i++) {
            }
        }),
        'plain `socket_send` of a prebuilt message' => row(
            50_000,
            static function (int $calls) use ($socket, $line): void {
                for ($i = 0; $i < $calls; $i++) {
                    \socket_send($socket, $line, \strlen($line), 0);
                }
            },
        ),
        "plain `socket_send` of a prebuilt batch, a message of it ($lines)" => row(
            1_000_000,
            static function (int $calls) use ($socket, $batch, $lines): void {
                for ($i = 0; $i < $calls; $i += $lines) {
                    \socket_send($socket, $batch, \strlen($batch), 0);
                }
            },
        ),
        '`$counter->inc()`' => row(200_000, static function (int $calls) use ($plain): void {
            for ($i = 0; $i < $calls; $i++) {
                $plain->inc();
            }
        }),
        '`$counter->inc([\'GET\', \'200\'])`' => row(200_000, static function (int $calls) use ($counter): void {
            for ($i = 0; $i < $calls; $i++) {
                $counter->inc(['GET', '200']);
            }
        }),
        '`$counter->inc([\'method\' => …, \'code\' => …])`' => row(
            200_000,
            static function (int $calls) use ($counter): void {
                for ($i = 0; $i < $calls; $i++) {
                    $counter->inc(['method' => 'GET', 'code' => '200']);
                }
            },
        ),
        '`$histogram->observe($seconds, [\'GET\'])`' => row(
            200_000,
            static function (int $calls) use ($histogram): void {
                for ($i = 0; $i < $calls; $i++) {
                    $histogram->observe(0.001 * $i + 0.0001234, ['GET']);
                }
            },
        ),
        '`$metrics->inc(\'…\', $labels)`, direct' => row(
            200_000,
            static function (int $calls) use ($metrics, $labels): void {
                for ($i = 0; $i < $calls; $i++) {
                    $metrics->inc('http_requests_total', $labels);
                }
            },
        ),
        '`$metrics->observe(\'…\', $seconds, $labels)`, direct' => row(
            200_000,
            static function (int $calls) use ($metrics): void {
                for ($i = 0; $i < $calls; $i++) {
                    $metrics->observe('direct_seconds', 0.001 * $i + 0.0001234, ['method' => 'GET'], [0.1, 0.5, 1, 5]);
                }
            },
        ),
        'the look at process and age, which calls 20 µs apart pay on top' => row(
            200_000,
            static function (int $calls): void {
                for ($i = 0; $i < $calls; $i++) {
                    \getmypid();
                    \hrtime(true);
                }
            },
        ),
    ];
    return $rows + ($promphp === null ? [] : promphpRows($promphp))
        + ($dogstatsd === null ? [] : dogstatsdRows($dogstatsd, $port));
}

function autoload(string $prefix, string $directory): void
{
    \spl_autoload_register(static function (string $class) use ($prefix, $directory): void {
        if (\str_starts_with($class, $prefix)) {
            require $directory . '/' . \strtr(\substr($class, \strlen($prefix)), '\\', '/') . '.php';
        }
    });
}

/** @return array{calls: int, run: Closure(int): void} */
function row(int $calls, Closure $run): array
{
    return ['calls' => $calls, 'run' => $run];
}

/** @return array<string, array{calls: int, run: Closure(int): void}> */
function promphpRows(string $directory): array
{
    autoload('Prometheus\\', "$directory/src/Prometheus");
    $rows = [];
    $storages = ['in memory' => static fn () => new Prometheus\Storage\InMemory()];
    if (\extension_loaded('apcu') && \ini_get('apc.enable_cli')) {
        $storages['APCng'] = static fn () => new Prometheus\Storage\APCng();
    }
    foreach ($storages as $kind => $storage) {
        $registry = new Prometheus\CollectorRegistry($storage(), false);
        $counter = $registry->getOrRegisterCounter('http', 'requests_total', 'Requests.', ['method', 'code']);
        $histogram = $registry->getOrRegisterHistogram('http', 'duration_seconds', 'Durations.', ['method']);
        $rows["promphp, $kind: `inc`"] = row(50_000, static function (int $calls) use ($counter): void {
            for ($i = 0; $i < $calls; $i++) {
                $counter->inc(['GET', '200']);
            }
        });
        $rows["promphp, $kind: `observe`"] = row(50_000, static function (int $calls) use ($histogram): void {
            for ($i = 0; $i < $calls; $i++) {
                $histogram->observe(0.001 * ($i % 1000) + 0.0001234, ['GET']);
            }
        });
    }
    return $rows;
}

/** @return array<string, array{calls: int, run: Closure(int): void}> */
function dogstatsdRows(string $directory, int $port): array
{
    autoload('DataDog\\', "$directory/src");
    $config = ['host' => '127.0.0.1', 'port' => $port, 'disable_telemetry' => true];
    $rows = [];
    foreach (['DogStatsd' => 20_000, 'BatchedDogStatsd' => 50_000] as $class => $calls) {
        $name = "DataDog\\$class";
        $client = new $name($config);
        $rows['php-datadogstatsd, `' . $class . '`: `increment`'] = row(
            $calls,
            static function (int $calls) use ($client): void {
                for ($i = 0; $i < $calls; $i++) {
                    $client->increment('http.requests', 1, ['method' => 'GET', 'code' => '200']);
                }
            },
        );
        $rows['php-datadogstatsd, `' . $class . '`: `histogram`'] = row(
            $calls,
            static function (int $calls) use ($client): void {
                for ($i = 0; $i < $calls; $i++) {
                    $client->histogram('http.duration', 0.001 * $i + 0.0001234, 1, ['method' => 'GET']);
                }
            },
        );
    }
    return $rows;
}
