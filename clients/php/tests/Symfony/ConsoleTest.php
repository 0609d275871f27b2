<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Symfony;

use MetricsServer\Tests\Directory;
use MetricsServer\Tests\Server;
use MetricsServer\Tests\ServerTestCase;

/** Commands and Messenger's worker, in processes of their own. */
final class ConsoleTest extends ServerTestCase
{
    /** @return iterable<string, array{string, int, string}> a way to end, its exit code, and the one that is counted */
    public static function ends(): iterable
    {
        yield 'success' => ['0', 0, '0'];
        yield 'exit code' => ['3', 3, '3'];
        yield 'exception' => ['exception', 1, '1'];
        yield 'exit()' => ['exit', 1, 'unknown'];
        yield 'fatal error' => ['fatal', 255, '255'];
        yield 'out of memory' => ['memory', 255, '255'];
    }

    /** @dataProvider ends */
    public function testCommands(string $how, int $exitCode, string $counted): void
    {
        $server = new Server();
        $directory = new Directory();
        $console = new Console(['address' => $server->udp()], $directory->path);
        self::assertSame($exitCode, $console->run(['app:fail', $how])->exitCode, $console->log());
        $page = $server->pageOf(2);
        self::assertSame(
            [2, 1.0, 1.0],
            [
                $page->accepted(),
                $page->value("console_commands_total{command=\"app:fail\",exit_code=\"$counted\"}"),
                $page->value('console_command_duration_seconds_count{command="app:fail"}'),
            ],
            $page->text,
        );
    }

    /** Symfony 5.4 ends the command by exit(), whose code cannot be had; newer ones tell of it. */
    public function testSigterm(): void
    {
        $server = new Server();
        $directory = new Directory();
        $process = (new Console(['address' => $server->udp()], $directory->path))->start(['app:fail', 'wait'], $pipes);
        self::assertSame("ready\n", \fgets($pipes[1]));
        \proc_terminate($process, \SIGTERM);
        \proc_close($process);
        $page = $server->pageOf(2);
        \preg_match('/^console_commands_total\{command="app:fail",exit_code="(\w+)"\} 1$/m', $page->text, $line);
        self::assertContains($line[1] ?? null, ['unknown', '0', '143'], $page->text);
    }

    public function testSwitchedOff(): void
    {
        $server = new Server();
        $directory = new Directory();
        foreach ([['enabled' => false], ['console' => ['enabled' => false]], ['console' => false]] as $off) {
            $console = new Console(['address' => $server->udp()] + $off, $directory->path);
            self::assertSame(3, $console->run(['app:fail', '3'])->exitCode, $console->log());
        }
        self::assertSame(0, $server->page()->accepted());
    }

    /** The container is compiled once, so that what it is made of cannot be asked of the environment. */
    public function testSwitchesAreNotOfTheEnvironment(): void
    {
        foreach ([['enabled' => '%env(bool:X)%'], ['requests' => ['enabled' => '%env(bool:X)%']]] as $switch) {
            $directory = new Directory();
            $console = new Console($switch, $directory->path);
            self::assertSame(1, $console->run(['app:fail', '0'])->exitCode);
            self::assertStringContainsString('is read when the container is compiled', $console->log());
        }
    }

    /** Every message is counted as soon as it is handled, and the worker's memory does not grow. */
    public function testWorkerOfHundredThousandMessages(): void
    {
        $server = new Server();
        $directory = new Directory();
        // The messages of a worker come faster than on a busy machine the server may read.
        $console = new Console(['address' => $server->unix(), 'max_block_ms' => 10_000], $directory->path);
        $run = $console->run(['messenger:consume', 'jobs', '--limit=100000', '--quiet']);
        self::assertSame(0, $run->exitCode, $console->log());
        // Its handler's and two of the bundle's for each, and two of the command.
        $page = $server->pageOf(3 * 100_000 + 2);
        $number = 'message="MetricsServer\\\\Tests\\\\Symfony\\\\Number"';
        self::assertGreaterThan(0.0, $page->value("messages_total{{$number},result=\"retried\",transport=\"jobs\"}"));
        self::assertSame(100_000.0, $page->sum('messages_total'), $page->text);
        self::assertSame(100_000.0, $page->value("message_duration_seconds_count{{$number},transport=\"jobs\"}"));
        self::assertSame(100_000.0, $page->value('numbers_total'));
        self::assertSame(0, $page->rejected());
        \preg_match_all('/^(\d+) (\d+)$/m', $run->output, $lines);
        $residentKilobytes = \array_combine($lines[1], \array_map(\intval(...), $lines[2]));
        self::assertLessThan(300, $residentKilobytes[90_000] - $residentKilobytes[10_000], $run->output);
    }
}
