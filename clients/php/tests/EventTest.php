<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

use MetricsServer\Metrics;

/** Events go through the server to what it takes for Loki. */
final class EventTest extends ServerTestCase
{
    /** So many the server pushes at once. */
    private const EVENTS = 500;

    public function testEventsReachLoki(): void
    {
        $loki = \stream_socket_server('tcp://127.0.0.1:0');
        \assert($loki !== false);
        $address = \stream_socket_get_name($loki, false);
        $server = new Server(['-loki-address', "http://$address/loki/api/v1/push"]);
        $metrics = new Metrics($server->unix(), 'shop_', ['env' => 'test']);
        for ($i = 0; $i < self::EVENTS; $i++) {
            $metrics->event('failed', ['job' => 'import', 'reason' => "disk \"$i\""], $i, 1_700_000_000);
        }
        $metrics->flush();
        $push = $this->answerPush($loki);
        self::assertSame(0, $metrics->dropped());
        $lines = [];
        foreach ($push['streams'] as $stream) {
            foreach ($stream['values'] as $value) {
                $lines[] = \json_decode($value[1], true);
            }
        }
        \usort($lines, static fn (array $a, array $b): int => $a['value'] <=> $b['value']);
        self::assertSame(\range(0, self::EVENTS - 1), \array_column($lines, 'value'));
        self::assertSame('shop_failed', $lines[7]['name']);
        self::assertSame(['test', 'import', 'disk "7"'], [
            $lines[7]['labels']['env'], $lines[7]['labels']['job'], $lines[7]['labels']['reason'],
        ]);
    }

    /**
     * @param resource $loki
     * @return array<string, mixed>
     */
    private function answerPush($loki): array
    {
        $connection = \stream_socket_accept($loki, 30);
        \assert($connection !== false);
        $length = 0;
        while (($line = \rtrim((string) \fgets($connection))) !== '') {
            if (\preg_match('/^content-length: (\d+)$/i', $line, $parts) === 1) {
                $length = (int) $parts[1];
            }
        }
        $body = (string) \stream_get_contents($connection, $length);
        \fwrite($connection, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        return (array) \json_decode((string) \gzdecode($body), true, 512, \JSON_THROW_ON_ERROR);
    }
}
