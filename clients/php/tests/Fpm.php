<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

/** PHP-FPM behind nginx, both of this machine's packages, in a directory of their own. */
final class Fpm
{
    private const CONCURRENCY = 32;

    private readonly string $directory;
    /** @var list<resource> */
    private array $processes = [];

    public function __construct(string $metricsAddress)
    {
        $this->directory = \sys_get_temp_dir() . '/metrics-fpm-' . \bin2hex(\random_bytes(6));
        \mkdir($this->directory);
        // The user of the tests can read the code, which another may not.
        $user = \function_exists('posix_getpwuid') ? \posix_getpwuid(\posix_geteuid())['name'] : \get_current_user();
        \file_put_contents("{$this->directory}/fpm.conf", <<<CONF
            [global]
            error_log = {$this->directory}/fpm.log
            [www]
            user = {$user}
            listen = {$this->directory}/fpm.sock
            listen.mode = 0666
            listen.backlog = 511
            pm = static
            pm.max_children = 8
            php_admin_value[memory_limit] = 32M
            php_admin_value[error_log] = {$this->directory}/php.log
            CONF);
        $script = __DIR__ . '/fpm/index.php';
        \file_put_contents("{$this->directory}/nginx.conf", <<<CONF
            daemon off;
            pid {$this->directory}/nginx.pid;
            error_log {$this->directory}/nginx.log;
            events { worker_connections 256; }
            http {
                access_log off;
                client_body_temp_path {$this->directory}/body;
                fastcgi_temp_path {$this->directory}/fastcgi;
                proxy_temp_path {$this->directory}/proxy;
                scgi_temp_path {$this->directory}/scgi;
                uwsgi_temp_path {$this->directory}/uwsgi;
                server {
                    listen unix:{$this->directory}/nginx.sock backlog=511;
                    location / {
                        fastcgi_pass unix:{$this->directory}/fpm.sock;
                        fastcgi_read_timeout 300s;
                        fastcgi_param SCRIPT_FILENAME {$script};
                        fastcgi_param QUERY_STRING \$query_string;
                        fastcgi_param REQUEST_METHOD \$request_method;
                        fastcgi_param METRICS_ADDRESS {$metricsAddress};
                    }
                }
            }
            CONF);
        $this->start([(string) self::fpmBinary(), '-F', '-R', '-y', "{$this->directory}/fpm.conf"]);
        $log = "{$this->directory}/nginx.log";
        $this->start([self::nginxBinary(), '-c', "{$this->directory}/nginx.conf", '-e', $log]);
        Wait::until(
            'nginx and FPM answer',
            fn (): bool => \str_contains($this->requests(['ready' => 1])[0] ?? '', 'done'),
        );
    }

    public function __destruct()
    {
        foreach ($this->processes as $process) {
            \proc_terminate($process, \SIGTERM);
            \proc_close($process);
        }
        $files = new \RecursiveIteratorIterator(
            new \RecursiveDirectoryIterator($this->directory, \FilesystemIterator::SKIP_DOTS),
            \RecursiveIteratorIterator::CHILD_FIRST,
        );
        foreach ($files as $file) {
            $file->isDir() && !$file->isLink() ? \rmdir((string) $file) : \unlink((string) $file);
        }
        \rmdir($this->directory);
    }

    public static function isThere(): bool
    {
        return self::fpmBinary() !== null && \is_executable(self::nginxBinary());
    }

    /**
     * Makes requests, many at once, and waits for all answers.
     *
     * @param array<string, int> $counts how many requests end in which way
     * @return list<string> the answers
     */
    public function requests(array $counts): array
    {
        $ends = [];
        foreach ($counts as $end => $count) {
            \array_push($ends, ...\array_fill(0, $count, $end));
        }
        \mt_srand(1);
        \shuffle($ends);
        $open = $answers = [];
        while ($ends !== [] || $open !== []) {
            while ($ends !== [] && \count($open) < self::CONCURRENCY) {
                $connection = @\stream_socket_client("unix://{$this->directory}/nginx.sock");
                if ($connection === false) {
                    return [];
                }
                \fwrite($connection, 'GET /?end=' . \array_pop($ends) . " HTTP/1.0\r\n\r\n");
                $open[(int) $connection] = $connection;
            }
            $read = $open;
            $write = $except = null;
            \stream_select($read, $write, $except, 1);
            foreach ($read as $connection) {
                $answers[] = (string) \stream_get_contents($connection);
                unset($open[(int) $connection]);
            }
        }
        return $answers;
    }

    private static function fpmBinary(): ?string
    {
        return (\glob('/usr/sbin/php-fpm*') ?: [])[0] ?? null;
    }

    private static function nginxBinary(): string
    {
        return '/usr/sbin/nginx';
    }

    /** @param list<string> $command */
    private function start(array $command): void
    {
        $null = ['file', '/dev/null', 'r+'];
        $process = \proc_open($command, [$null, $null, ['file', "{$this->directory}/stderr", 'a']], $pipes);
        \assert($process !== false);
        $this->processes[] = $process;
    }
}
