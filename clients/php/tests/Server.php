<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

/** A real metrics-server on loopback ports of its own. */
final class Server
{
    public readonly string $directory;
    public int $udpPort = 0;
    private int $httpPort = 0;
    /** @var resource */
    private $process;

    /** @param list<string> $flags */
    public function __construct(private readonly array $flags = [])
    {
        $this->directory = \sys_get_temp_dir() . '/metrics-client-' . \bin2hex(\random_bytes(6));
        \mkdir($this->directory);
        $this->start();
    }

    /** What METRICS_SERVER names, or else what Cargo has built last. */
    public static function binary(): ?string
    {
        $target = \getenv('CARGO_TARGET_DIR') ?: \dirname(__DIR__, 3) . '/target';
        $built = ["$target/release/metrics-server", "$target/debug/metrics-server"];
        $built = \array_filter($built, \is_executable(...));
        \usort($built, static fn (string $a, string $b): int => \filemtime($b) <=> \filemtime($a));
        return \getenv('METRICS_SERVER') ?: $built[0] ?? null;
    }

    public function start(): void
    {
        $log = "{$this->directory}/log";
        \file_put_contents($log, '');
        $udp = $this->udpPort === 0 ? '0' : (string) $this->udpPort;
        $command = [
            (string) self::binary(), '-udp', "127.0.0.1:$udp", '-socket', '127.0.0.1:0', '-uds', $this->socketPath(),
            '-source-labels=false', '-log-interval', '100ms', ...$this->flags,
        ];
        $null = ['file', '/dev/null', 'r+'];
        $process = \proc_open($command, [$null, $null, ['file', $log, 'a']], $pipes);
        \assert($process !== false);
        $this->process = $process;
        Wait::until('the server listens', function () use ($log): bool {
            $text = (string) \file_get_contents($log);
            if (!\proc_get_status($this->process)['running']) {
                throw new \RuntimeException("the server ended: $text");
            }
            \preg_match('~Listen udp 127\.0\.0\.1:(\d+)~', $text, $udp);
            \preg_match('~http://127\.0\.0\.1:(\d+)/~', $text, $http);
            $this->udpPort = (int) ($udp[1] ?? $this->udpPort);
            $this->httpPort = (int) ($http[1] ?? 0);
            return $this->httpPort > 0 && \file_exists($this->socketPath());
        }, fn (): string => (string) \file_get_contents($log));
    }

    public function __destruct()
    {
        $this->stop(\SIGKILL);
        \array_map(\unlink(...), \glob("{$this->directory}/*") ?: []);
        \rmdir($this->directory);
    }

    public function signal(int $signal): void
    {
        \proc_terminate($this->process, $signal);
    }

    public function stop(int $signal = \SIGTERM): void
    {
        if (\is_resource($this->process)) {
            $this->signal(\SIGCONT);
            $this->signal($signal);
            \proc_close($this->process);
        }
    }

    /** Connects to a stopped server's socket until it has no room for more; what is closed keeps its place. */
    public function fillQueue(): void
    {
        while (($connection = @\stream_socket_client($this->unix(), timeout: 0.0)) !== false) {
            \fclose($connection);
        }
    }

    public function socketPath(): string
    {
        return "{$this->directory}/ms.sock";
    }

    public function udp(): string
    {
        return "udp://127.0.0.1:{$this->udpPort}";
    }

    public function unix(): string
    {
        return "unix://{$this->socketPath()}";
    }

    public function log(): string
    {
        return (string) \file_get_contents("{$this->directory}/log");
    }

    public function page(): Page
    {
        return new Page((string) \file_get_contents("http://127.0.0.1:{$this->httpPort}/metrics"));
    }

    /** The page once so many messages were accepted or rejected. */
    public function pageOf(int $messages): Page
    {
        $page = $this->page();
        Wait::until("the server has $messages messages", function () use (&$page, $messages): bool {
            $page = $this->page();
            return $page->sum('metrics_server_messages_framed_total') >= $messages;
        }, fn (): string => $page->text);
        return $page;
    }
}
