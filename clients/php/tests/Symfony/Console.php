<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Symfony;

/** Runs of the application's console. */
final class Console
{
    /** @param array<string, mixed> $metrics the bundle's configuration */
    public function __construct(private readonly array $metrics, private readonly string $directory)
    {
    }

    /**
     * Starts a command whose output is $pipes[1].
     *
     * @param list<string> $command
     * @param array<int, resource> $pipes
     * @return resource
     */
    public function start(array $command, ?array &$pipes)
    {
        $metrics = \json_encode($this->metrics, \JSON_THROW_ON_ERROR);
        $php = [\PHP_BINARY, '-d', 'memory_limit=64M', '-d', 'display_errors=0', __DIR__ . '/console.php'];
        $log = ['file', "{$this->directory}/console.log", 'a'];
        $command = [...$php, $metrics, $this->directory, ...$command];
        $process = \proc_open($command, [1 => ['pipe', 'w'], 2 => $log], $pipes);
        \assert($process !== false);
        return $process;
    }

    /**
     * Waits for a command's end.
     *
     * @param list<string> $command
     */
    public function run(array $command): Run
    {
        $process = $this->start($command, $pipes);
        $output = (string) \stream_get_contents($pipes[1]);
        return new Run(\proc_close($process), $output);
    }

    public function log(): string
    {
        return (string) \file_get_contents("{$this->directory}/console.log");
    }
}
