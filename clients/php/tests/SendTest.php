<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

use MetricsServer\Internal\Sockets;
use MetricsServer\Metrics;

/** What reaches a real server. */
final class SendTest extends ServerTestCase
{
    /** @dataProvider ways */
    public function testEverythingCounts(string $transport, bool $withExtension): void
    {
        Sockets::useExtension($withExtension);
        $server = new Server();
        // 300 KB are more than a unix socket holds, and this machine may be busy.
        $metrics = new Metrics(self::address($server, $transport), 'app_', ['env' => 'test'], maxBlockMs: 10_000);
        $orders = $metrics->counter('orders_total', 'Orders.', ['status']);
        $seconds = $metrics->histogram('work_seconds', 'Work.', buckets: [0.1, 1]);
        for ($i = 0; $i < 1000; $i++) {
            $orders->inc(['status' => 'paid']);
            $metrics->inc('direct_total', ['code' => '200'], 0.5);
            $seconds->observe(0.25);
        }
        $workers = $metrics->gauge('workers');
        $workers->inc();
        $workers->set('4');
        $workers->add(2.5);
        $workers->dec();
        $metrics->event('failed', ['job' => 'import']);
        $metrics->flush();
        $page = $server->pageOf(3005);
        self::assertSame(0, $metrics->dropped());
        self::assertSame(3004, $page->accepted());
        self::assertSame(1, $page->rejected('no_sink'));
        self::assertSame(0.0, $page->sum('metrics_server_messages_coerced_total'));
        // The server knows a series' messages again by their bytes, so that it parses few of them.
        self::assertLessThan(100.0, $page->sum('metrics_server_messages_parsed_total'));
        self::assertSame(1000.0, $page->value('app_orders_total{env="test",status="paid"}'));
        self::assertSame(500.0, $page->value('app_direct_total{code="200",env="test"}'));
        self::assertSame(1000.0, $page->value('app_work_seconds_bucket{env="test",le="1"}'));
        self::assertSame(0.0, $page->value('app_work_seconds_bucket{env="test",le="0.1"}'));
        self::assertSame(250.0, $page->value('app_work_seconds_sum{env="test"}'));
        self::assertSame(5.5, $page->value('app_workers{env="test"}'));
    }

    /** @dataProvider ways */
    public function testBatches(string $transport, bool $withExtension): void
    {
        Sockets::useExtension($withExtension);
        $server = new Server();
        $metrics = new Metrics(self::address($server, $transport), batchBytes: 1432);
        for ($i = 0; $i < 100; $i++) {
            $metrics->inc('a_total');
        }
        $metrics->set('long', 1, ['text' => \str_repeat('x', 5000)]);
        $metrics->inc('a_total');
        $metrics->flush();
        $page = $server->pageOf(102);
        self::assertSame(101.0, $page->value('a_total'));
        if ($transport === 'udp') {
            // 100 messages of 39 bytes make 3 datagrams, the long one and the last one more.
            self::assertSame(5.0, $page->sum('metrics_server_datagrams_received_total'));
        }
    }

    /** @dataProvider kinds */
    public function testFlushesOfNothingSendNothing(bool $withExtension): void
    {
        Sockets::useExtension($withExtension);
        $server = new Server();
        $metrics = new Metrics($server->udp());
        $metrics->flush();
        $metrics->inc('a_total');
        $metrics->flush();
        $metrics->flush();
        unset($metrics);
        Script::run('$metrics->inc("a_total");', $server->udp());
        $page = $server->pageOf(2);
        self::assertSame(2.0, $page->sum('metrics_server_datagrams_received_total'));
    }

    public function testALongMessage(): void
    {
        $server = new Server();
        $long = ['text' => \str_repeat('x', 70_000)];
        $logger = new RecordingLogger();
        $udp = new Metrics($server->udp(), logger: $logger, debug: true);
        $line = __LINE__ + 1;
        $udp->set('long_udp', 1, $long);
        $udp->set('short_udp', 1);
        self::assertSame(['too_long' => 1], $udp->droppedByReason());
        self::assertSame([__FILE__, $line], [$logger->told[0]['file'], $logger->told[0]['line']]);
        self::assertStringContainsString('"long_udp"', $logger->told[0]['detail']);
        $udp->flush();
        $unix = new Metrics($server->unix());
        $unix->set('long_unix', 1, $long);
        $unix->flush();
        $server->pageOf(2);
        self::assertSame(0, $unix->dropped());
    }

    /** @dataProvider ways */
    public function testAHostNameIsResolvedOnce(string $transport, bool $withExtension): void
    {
        if ($transport === 'unix') {
            self::assertTrue(true);
            return;
        }
        Sockets::useExtension($withExtension);
        $server = new Server();
        $metrics = new Metrics("udp://localhost:{$server->udpPort}");
        $metrics->inc('a_total');
        $metrics->flush();
        // Where localhost is ::1 first, nothing listens there, and that is told.
        self::assertSame(1, $metrics->dropped() + $server->pageOf(1 - $metrics->dropped())->accepted());

        $nowhere = new Metrics('udp://no-such-host.invalid:9999');
        $nowhere->inc('a_total');
        $nowhere->flush();
        self::assertSame(['unreachable' => 1], $nowhere->droppedByReason());
    }

    public function testAgeSendsWhatFillsNoBatch(): void
    {
        $server = new Server();
        $metrics = new Metrics($server->udp(), maxAgeSeconds: 0.05);
        $metrics->inc('a_total');
        \usleep(60_000);
        $metrics->inc('a_total');
        self::assertSame(2, $server->pageOf(2)->accepted());

        $metrics->inc('b_total');
        \usleep(60_000);
        $metrics->tick();
        self::assertSame(3, $server->pageOf(3)->accepted());
    }

    /** @dataProvider ways */
    public function testLimitsOfArguments(string $transport, bool $withExtension): void
    {
        Sockets::useExtension($withExtension);
        $server = new Server();
        $address = self::address($server, $transport);
        $messages = 0;
        foreach ([0, -1] as $low) {
            $each = new Metrics($address, maxBlockMs: $low, maxAgeSeconds: $low, batchBytes: $low);
            $each->inc('a_total');
            // No flush().
            self::assertSame($messages += 1, $server->pageOf($messages)->accepted());
            $pairs = new Metrics($address, batchBytes: $low);
            $pairs->inc('a_total');
            $pairs->inc('a_total');
            $pairs->flush();
            self::assertSame($messages += 2, $server->pageOf($messages)->accepted());
            self::assertSame(0, $each->dropped() + $pairs->dropped());
        }
        foreach ([\INF, \PHP_INT_MAX, \NAN] as $high) {
            $metrics = new Metrics($address, maxBlockMs: $high, maxAgeSeconds: $high, batchBytes: \PHP_INT_MAX);
            $metrics->inc('a_total');
            $metrics->inc('a_total');
            if ($high > 0) {
                self::assertSame($messages, $server->page()->accepted());
            }
            $metrics->flush();
            self::assertSame($messages += 2, $server->pageOf($messages)->accepted());
        }
    }

    public function testTimestampsAndIndexArePassedOn(): void
    {
        $server = new Server();
        $metrics = new Metrics($server->unix());
        $metrics->event('a', ['x' => 'y'], 1, new \DateTimeImmutable());
        $metrics->index('a', ['x' => 'y'], 1, 'jobs', 1_700_000_000);
        $metrics->raw('a', ['x' => 'y'], 1, '2026-01-02T03:04:05Z');
        $metrics->flush();
        self::assertSame(3, $server->pageOf(3)->rejected('no_sink'));
    }
}
