<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

/** Requests of PHP-FPM, whichever way they end: each message is counted once. */
final class FpmTest extends ServerTestCase
{
    private const ENDS = [
        'plain' => 400, 'exception' => 150, 'exit' => 150, 'fatal' => 100, 'memory' => 46, 'time-out' => 4,
        'finished' => 100, 'shutdown' => 50,
    ];

    /** @return iterable<string, array{string}> */
    public static function transports(): iterable
    {
        yield 'udp' => ['udp'];
        yield 'unix' => ['unix'];
    }

    /** @dataProvider transports */
    public function testThousandRequests(string $transport): void
    {
        if (!Fpm::isThere()) {
            self::markTestSkipped('no php-fpm or no nginx: `tests/install-deps.sh php` installs them');
        }
        self::assertSame(1000, \array_sum(self::ENDS));
        $server = new Server();
        $script = __DIR__ . '/fpm/index.php';
        $fpm = new Fpm($script, 'GET /?end=ready', ['METRICS_ADDRESS' => self::address($server, $transport)]);
        $ready = $server->pageOf(2)->accepted();
        $lines = [];
        foreach (self::ENDS as $end => $count) {
            $lines["GET /?end=$end"] = $count;
        }
        self::assertCount(1000, $fpm->requests($lines));
        $page = $server->pageOf($ready + 2000);
        foreach (self::ENDS as $end => $count) {
            self::assertSame((float) $count, $page->value("fpm_requests_total{end=\"$end\"}"), $end);
        }
        self::assertSame([$ready + 2000, 0], [$page->accepted(), $page->rejected()]);
        self::assertSame(1000.0 + $ready / 2, $page->value('fpm_request_seconds_count'));
    }
}
