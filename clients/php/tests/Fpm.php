<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

/** PHP-FPM behind nginx, both of this machine's packages, in a directory of their own. */
final class Fpm
{
    private const CONCURRENCY = 32;

    private readonly Directory $own;
    private readonly string $directory;
    /** @var list<resource> */
    private array $processes = [];

    /**
     * @param string $script answers all requests
     * @param string $ready a request line that it answers with 200
     * @param array<string, string> $parameters what else it finds in $_SERVER
     */
    public function __construct(string $script, string $ready, array $parameters)
    {
        $this->own = new Directory();
        $this->directory = $this->own->path;
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
        $fastcgiParameters = '';
        foreach ($parameters as $name => $value) {
            $fastcgiParameters .= "fastcgi_param $name $value;\n";
        }
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
                        fastcgi_param SCRIPT_NAME /index.php;
                        fastcgi_param DOCUMENT_ROOT {$this->directory};
                        fastcgi_param REQUEST_URI \$request_uri;
                        fastcgi_param QUERY_STRING \$query_string;
                        fastcgi_param REQUEST_METHOD \$request_method;
                        fastcgi_param SERVER_PROTOCOL \$server_protocol;
                        fastcgi_param SERVER_NAME localhost;
                        fastcgi_param SERVER_PORT 80;
                        {$fastcgiParameters}
                    }
                }
            }
            CONF);
        $this->start([(string) self::fpmBinary(), '-F', '-R', '-y', "{$this->directory}/fpm.conf"]);
        $log = "{$this->directory}/nginx.log";
        $this->start([self::nginxBinary(), '-c', "{$this->directory}/nginx.conf", '-e', $log]);
        Wait::until(
            'nginx and FPM answer',
            fn (): bool => \str_contains($this->requests([$ready => 1])[0] ?? '', ' 200 '),
            fn (): string => $this->logs(),
        );
    }

    public function __destruct()
    {
        foreach ($this->processes as $process) {
            \proc_terminate($process, \SIGTERM);
            \proc_close($process);
        }
    }

    public static function isThere(): bool
    {
        return self::fpmBinary() !== null && \is_executable(self::nginxBinary());
    }

    /**
     * Makes requests, many at once, and waits for all answers.
     *
     * @param array<string, int> $counts how many of each request line, such as `GET /order/7`
     * @return list<string> the answers
     */
    public function requests(array $counts): array
    {
        $lines = [];
        foreach ($counts as $line => $count) {
            \array_push($lines, ...\array_fill(0, $count, $line));
        }
        \mt_srand(1);
        \shuffle($lines);
        $open = $answers = [];
        while ($lines !== [] || $open !== []) {
            while ($lines !== [] && \count($open) < self::CONCURRENCY) {
                $connection = @\stream_socket_client("unix://{$this->directory}/nginx.sock");
                if ($connection === false) {
                    return [];
                }
                \fwrite($connection, \array_pop($lines) . " HTTP/1.0\r\nHost: localhost\r\n\r\n");
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

    /** The end of what PHP, FPM and nginx have each written. */
    public function logs(): string
    {
        $end = static fn (string $file): string => \substr((string) \file_get_contents($file), -5000);
        return \implode("\n", \array_map($end, \glob("{$this->directory}/*log") ?: []));
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
