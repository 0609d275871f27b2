<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

use MetricsServer\Internal\Sockets;
use PHPUnit\Framework\TestCase;

/** A test against a real server, over both transports and with both kinds of sockets. */
abstract class ServerTestCase extends TestCase
{
    public static function setUpBeforeClass(): void
    {
        if (Server::binary() === null) {
            self::markTestSkipped('no metrics-server: build it with `cargo build --release`, or set METRICS_SERVER');
        }
    }

    protected function tearDown(): void
    {
        Sockets::useExtension(true);
    }

    /** @return iterable<string, array{string, bool}> transport, and whether ext-sockets is used */
    public static function ways(): iterable
    {
        foreach (['udp', 'unix'] as $transport) {
            yield "$transport, streams" => [$transport, false];
            if (\extension_loaded('sockets')) {
                yield "$transport, ext-sockets" => [$transport, true];
            }
        }
    }

    /** @return iterable<string, array{bool}> */
    public static function kinds(): iterable
    {
        yield 'streams' => [false];
        if (\extension_loaded('sockets')) {
            yield 'ext-sockets' => [true];
        }
    }

    protected static function address(Server $server, string $transport): string
    {
        return $transport === 'udp' ? $server->udp() : $server->unix();
    }
}
