<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

use MetricsServer\DropReason;
use MetricsServer\Internal\Sockets;
use MetricsServer\Metrics;

/** Whatever is wrong with the server: what was called is counted there or dropped here. */
final class TroubleTest extends ServerTestCase
{
    /** @return iterable<string, array{string}> */
    public static function badAddresses(): iterable
    {
        $bad = ['', '127.0.0.1:9999', 'udp://127.0.0.1', 'udp://127.0.0.1:0', 'udp://127.0.0.1:99999', 'udp://:9999',
            'udp://::1:9999', 'tcp://127.0.0.1:9999', 'unix://', 'unix:///' . \str_repeat('x', 120)];
        foreach ($bad as $address) {
            yield $address => [$address];
        }
    }

    /** @dataProvider badAddresses */
    public function testABadAddressIsToldAtTheFirstCall(string $address): void
    {
        $logger = new RecordingLogger();
        $metrics = new Metrics($address, logger: $logger, debug: true);
        self::assertSame([], $logger->told);
        $line = __LINE__ + 1;
        $metrics->inc('a_total');
        self::assertSame(['address'], $logger->reasons());
        self::assertSame([__FILE__, $line], [$logger->told[0]['file'], $logger->told[0]['line']]);
        $metrics->counter('b_total')->inc();
        $metrics->flush();
        self::assertSame(['address' => 2], $metrics->droppedByReason());
        self::assertCount(1, $logger->told);
    }

    /** @dataProvider kinds */
    public function testWrongPort(bool $withExtension): void
    {
        Sockets::useExtension($withExtension);
        $server = new Server();
        $address = $server->udp();
        $server->stop();
        $logger = new RecordingLogger();
        $metrics = new Metrics($address, logger: $logger);
        for ($i = 0; $i < 1000; $i++) {
            $metrics->inc('a_total');
        }
        $metrics->flush();
        self::assertSame(['connection_refused' => 1000], $metrics->droppedByReason());
        self::assertSame(['connection_refused'], $logger->reasons());
    }

    /** @dataProvider kinds */
    public function testWrongPath(bool $withExtension): void
    {
        Sockets::useExtension($withExtension);
        $logger = new RecordingLogger();
        $metrics = new Metrics('unix:///nowhere/ms.sock', logger: $logger);
        for ($i = 0; $i < 1000; $i++) {
            $metrics->inc('a_total');
        }
        $metrics->flush();
        self::assertSame(['unreachable' => 1000], $metrics->droppedByReason());
        self::assertStringContainsString('unix:///nowhere/ms.sock', $logger->told[0]['detail']);
    }

    /** @dataProvider ways */
    public function testRestarted(string $transport, bool $withExtension): void
    {
        Sockets::useExtension($withExtension);
        $server = new Server();
        $metrics = new Metrics(self::address($server, $transport));
        $send = static function (int $calls) use ($metrics): void {
            for ($i = 0; $i < $calls; $i++) {
                $metrics->inc('a_total');
            }
            $metrics->flush();
        };
        $send(1000);
        $first = $server->pageOf(1000)->accepted();
        $server->stop();
        $send(500);
        self::assertSame(500, $metrics->dropped(DropReason::Refused) + $metrics->dropped(DropReason::Unreachable));
        $server->start();
        $send(700);
        self::assertSame(700, $server->pageOf(700)->accepted());
        self::assertSame(2200, $first + 700 + $metrics->dropped());
    }

    /**
     * A server that is stopped with the connection open: the calls are not held up, and nothing is unaccounted.
     *
     * @dataProvider kinds
     */
    public function testStoppedAndFull(bool $withExtension): void
    {
        Sockets::useExtension($withExtension);
        $server = new Server();
        $logger = new RecordingLogger();
        $metrics = new Metrics($server->unix(), logger: $logger, maxBlockMs: 5);
        $metrics->inc('a_total');
        $metrics->flush();
        $server->pageOf(1);
        $server->signal(\SIGSTOP);
        // Wall time also has other programs' turns in it; a voluntary switch is a wait of our own.
        $waits = static fn (): int => (int) (\getrusage() ?: [])['ru_nvcsw'];
        $before = $waits();
        for ($request = 0; $request < 500; $request++) {
            for ($i = 0; $i < 100; $i++) {
                $metrics->inc('a_total');
            }
            $metrics->flush();
            $metrics->tick();
        }
        $waited = $waits() - $before;
        self::assertGreaterThan(0, $metrics->dropped(), 'the socket was not filled');
        self::assertSame(['full'], $logger->reasons());
        self::assertLessThanOrEqual(5, $waited, 'waits in 500 requests');
        $server->signal(\SIGCONT);
        $this->waitForBooks($server, $metrics, 50_001);
    }

    /**
     * A server that ends while the client has a message half sent: the whole is sent to the next one.
     *
     * @dataProvider kinds
     */
    public function testRestartedWhileFull(bool $withExtension): void
    {
        Sockets::useExtension($withExtension);
        $server = new Server();
        $metrics = new Metrics($server->unix(), maxBlockMs: 0);
        $metrics->inc('a_total');
        $metrics->flush();
        $server->pageOf(1);
        $server->signal(\SIGSTOP);
        // Of several lengths, so that the buffer's end falls into a message.
        for ($i = 0; $i < 20_000; $i++) {
            $metrics->inc('b_total', ['x' => \str_repeat('x', $i % 500)]);
        }
        $server->stop();
        \preg_match('/ messages: (\d+) accepted, (\d+) rejected/', $server->log(), $old);
        $server->start();
        $metrics->inc('c_total');
        Wait::until('the new server has the last one', static function () use ($server, $metrics): bool {
            $metrics->flush();
            return $server->page()->value('c_total') === 1.0;
        });
        $page = $server->page();
        self::assertSame(20_002, (int) $old[1] + $page->accepted() + $metrics->dropped());
        self::assertSame(0, $page->rejected());
        self::assertLessThanOrEqual(1, (int) $old[2], $server->log());
    }

    /** What a stopped server leaves unread at the end of a script is dropped. */
    public function testStoppedAtTheEnd(): void
    {
        $server = new Server();
        $server->signal(\SIGSTOP);
        $metrics = new Metrics($server->unix(), maxBlockMs: 5);
        for ($i = 0; $i < 20_000; $i++) {
            $metrics->inc('a_total');
        }
        $metrics->flush();
        $metrics->flush();
        $script = Script::run(
            'for ($i = 0; $i < 20000; $i++) { $metrics->inc("b_total"); }
            register_shutdown_function(function () use ($metrics) {
                register_shutdown_function(function () use ($metrics) {
                    register_shutdown_function(function () use ($metrics) { echo $metrics->dropped(); }); }); });',
            $server->unix(),
        );
        $dropped = (int) $script->output();
        self::assertGreaterThan(0, $dropped);
        $server->signal(\SIGCONT);
        $this->waitForBooks($server, $metrics, 40_000 - $dropped);
    }

    /** A stopped server's UDP port takes what its buffer holds; the kernel counts the rest on the server's side. */
    public function testStoppedUdp(): void
    {
        $server = new Server(['-udp-rcvbuf', '65536']);
        $metrics = new Metrics($server->udp());
        $server->signal(\SIGSTOP);
        for ($i = 0; $i < 200; $i++) {
            $metrics->inc('a_total');
            $metrics->flush();
        }
        for ($i = 0; $i < 2000; $i++) {
            $metrics->inc('a_total');
            $metrics->flush();
        }
        $server->signal(\SIGCONT);
        $page = $server->page();
        Wait::until('all datagrams are counted', function () use ($server, &$page): bool {
            $page = $server->page();
            return $page->accepted() + $page->sum('metrics_server_udp_kernel_drops_total') >= 2200;
        }, fn (): string => $page->text);
        self::assertSame(0, $metrics->dropped());
        self::assertGreaterThan(0.0, $page->sum('metrics_server_udp_kernel_drops_total'));
        self::assertEquals(2200, $page->accepted() + $page->sum('metrics_server_udp_kernel_drops_total'));
    }

    /** The server closes idle connections; the client notices when it writes, and connects again. */
    public function testIdleConnectionIsClosed(): void
    {
        $server = new Server(['-uds-idle-timeout', '50ms']);
        $metrics = new Metrics($server->unix());
        $metrics->inc('a_total');
        $metrics->flush();
        Wait::until('the connection is closed', static fn (): bool => $server->page()
            ->value('metrics_server_unix_connections_closed_total{reason="idle_timeout"}') === 1.0);
        $metrics->inc('a_total');
        $metrics->flush();
        self::assertSame(2, $server->pageOf(2)->accepted());
        self::assertSame(0, $metrics->dropped());
    }

    /** Sends what waits in the client as soon as the server reads, until all calls are counted or dropped. */
    private function waitForBooks(Server $server, Metrics $metrics, int $calls): void
    {
        $page = $server->page();
        Wait::until("$calls calls are counted or dropped", function () use ($server, $metrics, $calls, &$page): bool {
            $metrics->flush();
            $page = $server->page();
            return $page->accepted() + $metrics->dropped() >= $calls;
        }, function () use ($metrics, &$page): string {
            return "dropped {$metrics->dropped()}\n{$page->text}";
        });
        self::assertSame($calls, $page->accepted() + $metrics->dropped());
    }
}
