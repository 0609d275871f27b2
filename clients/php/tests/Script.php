<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

/** A PHP process of its own, which has `$metrics`. */
final class Script
{
    /** @var resource */
    private $process;
    /** @var array<int, resource> */
    private array $pipes = [];

    private ?string $output = null;
    /** @var array<string, mixed> */
    private array $status = [];

    /** @param list<string> $flags */
    private function __construct(string $body, string $address, array $flags)
    {
        $code = "declare(strict_types=1);\n"
            . 'require ' . \var_export(__DIR__ . '/bootstrap.php', true) . ";\n"
            . '$metrics = new MetricsServer\Metrics(' . \var_export($address, true) . ");\n" . $body;
        $command = [\PHP_BINARY, '-d', 'display_errors=0', '-d', 'memory_limit=32M', ...$flags, '-r', $code];
        $process = \proc_open($command, [1 => ['pipe', 'w'], 2 => ['file', '/dev/null', 'w']], $this->pipes);
        \assert($process !== false);
        $this->process = $process;
    }

    /** @param list<string> $flags */
    public static function start(string $body, string $address, array $flags = []): self
    {
        return new self($body, $address, $flags);
    }

    /** @param list<string> $flags */
    public static function run(string $body, string $address, array $flags = []): self
    {
        $script = new self($body, $address, $flags);
        $script->output = $script->wait();
        return $script;
    }

    public function output(): string
    {
        return $this->output ??= $this->wait();
    }

    public function line(): string
    {
        return \rtrim((string) \fgets($this->pipes[1]));
    }

    public function signal(int $signal): void
    {
        \proc_terminate($this->process, $signal);
    }

    /** The signal that has ended it, or 0. */
    public function endSignal(): int
    {
        $this->output();
        return $this->status['signaled'] ? (int) $this->status['termsig'] : 0;
    }

    private function wait(): string
    {
        $output = (string) \stream_get_contents($this->pipes[1]);
        Wait::until('the script ends', function (): bool {
            $this->status = \proc_get_status($this->process);
            return !$this->status['running'];
        });
        return $output;
    }
}
