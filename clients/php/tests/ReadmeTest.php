<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

use MetricsServer\DropReason;

/** The README's code is PHP, its first steps work, and its tables are whole. */
final class ReadmeTest extends ServerTestCase
{
    public function testAllCodeParses(): void
    {
        $blocks = self::blocks();
        self::assertGreaterThan(5, \count($blocks));
        foreach ($blocks as $block) {
            self::assertNotSame([], \token_get_all("<?php\n$block", \TOKEN_PARSE));
        }
    }

    public function testLinksLeadSomewhere(): void
    {
        \preg_match_all('/\]\((?!https?:)([^)#]*)(#[^)]*)?\)/', self::text(), $links);
        self::assertGreaterThan(5, \count($links[1]));
        foreach ($links[1] as $link) {
            self::assertFileExists(__DIR__ . '/../' . ($link === '' ? 'README.md' : $link));
        }
    }

    public function testTheFirstMetric(): void
    {
        $server = new Server();
        $code = \str_replace("require 'vendor/autoload.php';", '', self::blocks()[0]);
        Script::run(\str_replace('udp://127.0.0.1:9999', $server->udp(), $code), $server->udp());
        self::assertSame(1.0, $server->pageOf(1)->value('orders_total{shop="de"}'));
    }

    public function testTheUses(): void
    {
        $server = new Server();
        $code = \strtr(self::blocks()[1], [
            'udp://127.0.0.1:9999' => $server->udp(),
            "require 'vendor/autoload.php';" => '',
        ]);
        $end = '$metrics->flush(); echo json_encode($metrics->droppedByReason());';
        self::assertSame('[]', Script::run($code . $end, $server->udp())->output());
        $page = $server->pageOf(14);
        self::assertSame([11, 3], [$page->accepted(), $page->rejected('no_sink')]);
        self::assertSame(4.0, $page->value('shop_requests_total{code="200",env="prod",method="GET"}'));
        self::assertSame(2.0, $page->value('shop_workers{env="prod"}'));
    }

    public function testTheLogger(): void
    {
        $hasLogger = static fn (string $block): bool => \str_contains($block, 'AbstractLogger');
        $code = \current(\array_filter(self::blocks(), $hasLogger)) . '$metrics->set("queue_length", "long");';
        $directory = new Directory();
        $log = "{$directory->path}/log";
        Script::run($code, 'udp://127.0.0.1:9999', ['-d', "error_log=$log"]);
        $told = 'metrics are dropped (value): queue_length: "long" is not a finite number';
        self::assertStringEndsWith("$told\n", (string) \file_get_contents($log));
    }

    public function testEveryReasonIsThere(): void
    {
        foreach (DropReason::cases() as $reason) {
            self::assertStringContainsString("`{$reason->value}`", self::text(), $reason->name);
        }
    }

    public function testCronExample(): void
    {
        $server = new Server();
        foreach (['good' => 0, 'bad' => 3] as $job => $code) {
            self::assertSame([$code, ''], self::runCron($server->unix(), $job, $code));
        }
        $page = $server->pageOf(7);
        self::assertSame(3.0, $page->value('cron_last_exit_code{job="bad"}'));
        self::assertSame(0.0, $page->value('cron_last_exit_code{job="good"}'));
        self::assertGreaterThan(0.0, $page->value('cron_last_duration_seconds{job="good"}'));
        self::assertGreaterThan(1e9, $page->value('cron_last_success_timestamp_seconds{job="good"}'));
        self::assertNull($page->value('cron_last_success_timestamp_seconds{job="bad"}'));
    }

    /** The server is absent, has no room, or the address is none. */
    public function testCronExampleTellsWhatItCannotSend(): void
    {
        $server = new Server();
        $server->signal(\SIGSTOP);
        $server->fillQueue();
        $addresses = ['unix:///no/such.sock' => 'unreachable', $server->unix() => 'full', 'tcp://x:1' => 'address'];
        foreach ($addresses as $address => $reason) {
            $told = "cron.php: metrics of backup not sent to $address: {\"$reason\":3}\n";
            self::assertSame([5, $told], self::runCron($address, 'backup', 5));
        }
    }

    /** @return array{int, string} its exit code and what it says on stderr */
    private static function runCron(string $address, string $job, int $code): array
    {
        $command = [\PHP_BINARY, __DIR__ . '/../examples/cron.php', $address, $job, 'sh', '-c', "exit $code"];
        $process = \proc_open($command, [2 => ['pipe', 'w']], $pipes);
        self::assertNotFalse($process);
        $said = (string) \stream_get_contents($pipes[2]);
        return [\proc_close($process), $said];
    }

    private static function text(): string
    {
        return (string) \file_get_contents(__DIR__ . '/../README.md');
    }

    /** @return list<string> */
    private static function blocks(): array
    {
        \preg_match_all('/^```php\n(.*?)^```$/ms', self::text(), $blocks);
        return $blocks[1];
    }
}
