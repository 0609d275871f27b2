<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

use MetricsServer\Metrics;

/** Processes that end, fork or go on for long. */
final class ProcessTest extends ServerTestCase
{
    /** @return iterable<string, array{string, int}> a script and how many messages it makes */
    public static function scripts(): iterable
    {
        $count = '$metrics->inc("a_total");';
        yield 'runs to its end' => [$count, 1];
        yield 'exit' => ["$count exit(3);", 1];
        yield 'exception' => ["$count throw new Exception();", 1];
        yield 'fatal error' => ["$count nothing();", 1];
        yield 'out of memory at once' => ["$count str_repeat('x', 1 << 30);", 1];
        yield 'out of memory bit by bit' => ["$count \$all = []; while (true) { \$all[] = [1]; }", 1];
        yield 'out of memory by counting' =>
            ["$count \$all = []; while (true) { \$all[] = clone new ArrayObject([1]); }", 1];
        yield 'time-out' => ["$count set_time_limit(1); while (true) {}", 1];
        yield 'later shutdown function' => ["register_shutdown_function(function () use (\$metrics) { $count });", 1];
        yield 'shutdown function after a fatal error' =>
            ["$count register_shutdown_function(function () use (\$metrics) { $count }); nothing();", 2];
        yield 'destructor' => ['final class A { function __construct(public $m) {}
            function __destruct() { $this->m->inc("a_total"); } }
            $GLOBALS["a"] = new A($metrics);', 1];
        yield 'discarded client' => ["$count unset(\$metrics); posix_kill(getmypid(), SIGKILL);", 1];
        yield 'instrument that outlives the client' =>
            ['$c = $metrics->counter("a_total"); unset($metrics); $c->inc(); $c->inc();', 2];
        yield 'warnings that become exceptions' =>
            ["set_error_handler(function (\$n, \$text) { throw new ErrorException(\$text); }); $count", 1];
    }

    /** @dataProvider scripts */
    public function testNothingIsLost(string $script, int $messages): void
    {
        $server = new Server();
        Script::run($script, $server->udp());
        Script::run($script, $server->unix());
        self::assertSame(2 * $messages, $server->pageOf(2 * $messages)->accepted());
    }

    /** Nothing is left to compile the classes with that send. */
    public function testOutOfMemoryInSmallPieces(): void
    {
        $server = new Server();
        $sizes = [10, 500, 1000, 3000];
        foreach ($sizes as $size) {
            $body = "ini_set('memory_limit', '8M'); \$metrics->inc('a_total'); \$head = null;
                while (true) { \$head = (object) ['text' => str_repeat('x', $size), 'next' => \$head]; }";
            Script::run($body, $server->udp(), ['-d', 'opcache.enable_cli=1']);
        }
        self::assertSame(\count($sizes), $server->pageOf(\count($sizes))->accepted());
    }

    /** A PHP with nothing but what is compiled in: no sockets, pcntl or posix. */
    public function testNoExtensions(): void
    {
        $server = new Server();
        $body = '$metrics->counter("a_total", "A.", ["x"])->inc([1]); $metrics->flush();
            echo json_encode([$metrics->dropped(), extension_loaded("sockets"), extension_loaded("pcntl")]);';
        foreach ([$server->udp(), $server->unix()] as $address) {
            $script = Script::run($body, $address, ['-n', '-d', 'error_reporting=-1']);
            self::assertStringStartsWith('[0,', $script->output());
        }
        self::assertSame(2, $server->pageOf(2)->accepted());
    }

    public function testSigterm(): void
    {
        $server = new Server();
        $body = '$metrics->inc("a_total"); echo "ready\n"; while (true) { usleep(1000); }';
        $script = Script::start($body, $server->unix());
        self::assertSame('ready', $script->line());
        $script->signal(\SIGTERM);
        self::assertSame(\SIGTERM, $script->endSignal());
        self::assertSame(1, $server->pageOf(1)->accepted());
    }

    /**
     * Whenever the signal comes, all calls that have returned are counted, and at most the one at hand besides.
     *
     * @dataProvider kinds
     */
    public function testSigtermAtAnyTime(bool $withExtension): void
    {
        $server = new Server();
        $body = 'MetricsServer\Internal\Sockets::useExtension(' . \var_export($withExtension, true) . ');
            $metrics = new MetricsServer\Metrics(' . \var_export($server->unix(), true) . ', batchBytes: 200,
                maxBlockMs: 30000);
            $progress = fopen(' . \var_export("{$server->directory}/progress", true) . ', "w");
            echo "ready\n";
            for ($calls = 1;; $calls++) {
                $metrics->inc("a_total");
                fseek($progress, 0);
                fwrite($progress, sprintf("%20d", $calls));
            }';
        $runs = 20;
        $returned = 0;
        for ($run = 0; $run < $runs; $run++) {
            $script = Script::start($body, $server->unix());
            self::assertSame('ready', $script->line());
            \usleep(1000 * $run);
            $script->signal(\SIGTERM);
            self::assertSame(\SIGTERM, $script->endSignal());
            $returned += (int) \file_get_contents("{$server->directory}/progress");
        }
        $accepted = $server->pageOf($returned)->accepted();
        self::assertGreaterThanOrEqual($returned, $accepted);
        self::assertLessThanOrEqual($returned + $runs, $accepted);
    }

    public function testSigtermHandlersOfTheProgram(): void
    {
        $server = new Server();
        $handler = 'pcntl_async_signals(true); pcntl_signal(SIGTERM, function () { echo "own\n"; exit(0); });';
        $anew = '$metrics = new MetricsServer\Metrics(' . \var_export($server->unix(), true) . ');';
        $loop = '$metrics->inc("a_total"); echo "ready\n"; while (true) { usleep(1000); }';
        // One that comes after the client, and one that is there before it.
        foreach (["$handler $loop", "$handler $anew $loop"] as $body) {
            $script = Script::start($body, $server->unix());
            self::assertSame('ready', $script->line());
            $script->signal(\SIGTERM);
            self::assertSame("own\n", $script->output());
            self::assertSame(0, $script->endSignal());
        }
        self::assertSame(2, $server->pageOf(2)->accepted());
    }

    public function testFork(): void
    {
        $server = new Server();
        $body = '
            for ($i = 0; $i < 10; $i++) { $metrics->inc("parent_total"); }
            $children = [];
            for ($child = 0; $child < 4; $child++) {
                $pid = pcntl_fork();
                if ($pid === 0) {
                    for ($i = 0; $i < $child * 100; $i++) { $metrics->inc("child_total"); }
                    if ($child === 1) { $metrics->flush(); }
                    exit(0);
                }
                $children[] = $pid;
                $metrics->inc("parent_total");
            }
            foreach ($children as $pid) { pcntl_waitpid($pid, $status); }
            $metrics->flush();
            $pid = pcntl_fork();
            $metrics->inc("both_total");
            if ($pid !== 0) { pcntl_waitpid($pid, $status); }';
        foreach ([$server->udp(), $server->unix()] as $address) {
            Script::run($body, $address);
        }
        $page = $server->pageOf(2 * (14 + 600 + 2));
        self::assertSame(2 * (14 + 600 + 2), $page->accepted());
        self::assertSame([28.0, 1200.0, 4.0], [
            $page->value('parent_total'), $page->value('child_total'), $page->value('both_total'),
        ]);
    }

    /** What is under way when a process forks is the parent's to count. */
    public function testForkWhileMeasuring(): void
    {
        $server = new Server();
        Script::run('
            $commands = new MetricsServer\Internal\Commands($metrics, [1]);
            $command = new stdClass();
            $commands->begin($command, "forks");
            $pid = pcntl_fork();
            if ($pid === 0) { exit(0); }
            pcntl_waitpid($pid, $status);
            $commands->end($command, 3);
            $commands->begin($command, "exits");
            $commands->begin(new stdClass(), "exits as well");
            exit(5);', $server->udp());
        $page = $server->pageOf(6);
        self::assertSame([6, 1.0, 1.0, 1.0], [
            $page->accepted(),
            $page->value('console_commands_total{command="forks",exit_code="3"}'),
            $page->value('console_commands_total{command="exits",exit_code="unknown"}'),
            $page->value('console_commands_total{command="exits as well",exit_code="unknown"}'),
        ]);
    }

    /** @return iterable<string, array{string, string}> how a worker's process ends, and what is counted */
    public static function deaths(): iterable
    {
        yield 'exit' => ['exit(1);', 'unknown'];
        yield 'fatal error' => ['nothing();', '255'];
        yield 'SIGTERM' => ['posix_kill(getmypid(), SIGTERM); usleep(1);', '143'];
    }

    /** @dataProvider deaths */
    public function testWhatIsUnderWayAtTheEnd(string $death, string $counted): void
    {
        $server = new Server();
        Script::run('$commands = new MetricsServer\Internal\Commands($metrics, [1]);
            $commands->begin(new stdClass(), "dies"); ' . $death, $server->udp());
        $page = $server->pageOf(2);
        self::assertSame(1.0, $page->value("console_commands_total{command=\"dies\",exit_code=\"$counted\"}"));
    }

    public function testDiscardedClientsLeaveNothing(): void
    {
        $server = new Server();
        $use = static function () use ($server): void {
            $metrics = new Metrics($server->udp());
            $metrics->counter('a_total')->inc();
        };
        for ($i = 0; $i < 100; $i++) {
            $use();
        }
        $before = \memory_get_usage();
        for ($i = 0; $i < 1000; $i++) {
            $use();
        }
        self::assertSame(0, \memory_get_usage() - $before);
        self::assertSame(1100, $server->pageOf(1100)->accepted());
    }
}
