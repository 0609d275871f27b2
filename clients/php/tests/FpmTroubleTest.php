<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

/** Requests of PHP-FPM while something is wrong with the server: each call is counted there or dropped here. */
final class FpmTroubleTest extends ServerTestCase
{
    private const REQUESTS = 100;
    /** As many as calls.php makes. */
    private const CALLS = 20;

    private Directory $directory;
    private Fpm $fpm;

    protected function setUp(): void
    {
        $this->directory = new Directory();
        $this->fpm = new Fpm(__DIR__ . '/fpm/calls.php', 'GET /', []);
    }

    public function testNothingListens(): void
    {
        $server = new Server();
        $addresses = [$server->udp(), $server->unix(), 'unix:///nowhere/ms.sock', 'udp://127.0.0.1:99999'];
        $server->stop();
        foreach ($addresses as $address) {
            self::assertSame(self::REQUESTS * self::CALLS, $this->dropped($address), $address);
        }
    }

    public function testRestarted(): void
    {
        $server = new Server();
        foreach ([$server->udp(), $server->unix()] as $address) {
            $dropped = $this->dropped($address);
            $server->pageOf(self::REQUESTS * self::CALLS);
            $server->stop();
            $dropped += $this->dropped($address);
            self::assertSame(self::REQUESTS * self::CALLS, $dropped, $address);
            $server->start();
            self::assertSame(0, $this->dropped($address), $address);
            self::assertSame(self::REQUESTS * self::CALLS, $server->pageOf(self::REQUESTS * self::CALLS)->accepted());
            $server->stop();
            $server->start();
        }
    }

    public function testStopped(): void
    {
        $server = new Server();
        $server->signal(\SIGSTOP);
        $dropped = $this->dropped($server->udp()) + $this->dropped($server->unix());
        $server->signal(\SIGCONT);
        $this->assertBooks($server, 2 * self::REQUESTS * self::CALLS - $dropped);
    }

    /** A stopped server whose queue of connections and whose buffer of datagrams are full. */
    public function testFull(): void
    {
        $server = new Server(['-udp-rcvbuf', '4096']);
        $server->signal(\SIGSTOP);
        $server->fillQueue();
        self::assertSame(self::REQUESTS * self::CALLS, $this->dropped($server->unix()));
        self::assertSame(0, $this->dropped($server->udp()), 'what the kernel drops, the server counts');
        $server->signal(\SIGCONT);
        $drops = $this->assertBooks($server, self::REQUESTS * self::CALLS);
        self::assertGreaterThan(0.0, $drops, 'the buffer was not full');
    }

    /** Makes the requests, and returns how many calls they say they have dropped. */
    private function dropped(string $address): int
    {
        $books = "{$this->directory->path}/books";
        \file_put_contents($books, '');
        $query = \http_build_query(['books' => $books, 'address' => $address]);
        $this->fpm->requests(["GET /?$query" => self::REQUESTS]);
        $lines = [];
        // The note comes after the answer.
        Wait::until('all requests have ended', static function () use ($books, &$lines): bool {
            $lines = (array) \file($books);
            return \count($lines) === self::REQUESTS;
        });
        return (int) \array_sum($lines);
    }

    /** Waits until all calls are accepted or dropped by the kernel, a batch a request, and returns the latter. */
    private function assertBooks(Server $server, int $calls): float
    {
        $page = $server->page();
        $drops = 0.0;
        Wait::until("$calls calls are counted", function () use ($server, $calls, &$page, &$drops): bool {
            $page = $server->page();
            $drops = self::CALLS * $page->sum('metrics_server_udp_kernel_drops_total');
            return $page->accepted() + $drops >= $calls;
        }, static function () use (&$page): string {
            return $page->text;
        });
        self::assertEquals($calls, $page->accepted() + $drops, $page->text);
        self::assertSame(0, $page->rejected());
        return $drops;
    }
}
