<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

use MetricsServer\InMemoryMetrics;
use PHPUnit\Framework\TestCase;

final class InstrumentsTest extends TestCase
{
    public function testBound(): void
    {
        $metrics = new InMemoryMetrics('shop_', ['env' => 'test', 'zone' => 1]);
        $orders = $metrics->counter('orders_total', 'Orders.', ['status', 'country']);
        $orders->inc(['status' => 'paid', 'country' => 'de']);
        $orders->inc(['paid', 'de']);
        $orders->add(2.5, ['country' => 'de', 'status' => 'paid']);
        $stock = $metrics->gauge('stock');
        $stock->set(7);
        $stock->add(-2.5);
        $metrics->histogram('cart', 'Items.', buckets: [1, 5, '10', \INF])->observe(3);

        $head = ['op' => 'inc', 'name' => 'shop_orders_total',
            'labels' => ['country' => 'de', 'env' => 'test', 'status' => 'paid', 'zone' => '1'], 'help' => 'Orders.'];
        self::assertSame([
            $head + ['value' => 1],
            $head + ['value' => 1],
            $head + ['value' => 2.5],
            ['op' => 'set', 'name' => 'shop_stock', 'labels' => ['env' => 'test', 'zone' => '1'], 'value' => 7],
            ['op' => 'add', 'name' => 'shop_stock', 'labels' => ['env' => 'test', 'zone' => '1'], 'value' => -2.5],
            ['op' => 'obs', 'name' => 'shop_cart', 'labels' => ['env' => 'test', 'zone' => '1'], 'help' => 'Items.',
                'bucket_custom' => [1, 5, 10], 'value' => 3],
        ], $metrics->messages());
        $metrics->assertNothingDropped();
    }

    /** A series' bytes are the same whatever the order of the labels, but for the value, which is last. */
    public function testValueIsLast(): void
    {
        $metrics = new InMemoryMetrics();
        $metrics->inc('a_total', ['y' => '1', 'x' => '2'], help: 'A.');
        $metrics->inc('a_total', ['x' => '2', 'y' => '1'], 5, 'A.');
        [$first, $second] = $metrics->messages();
        self::assertSame('value', \array_key_last($first));
        self::assertSame(\array_slice($first, 0, -1), \array_slice($second, 0, -1));
    }

    public function testLabelsOfACallWinOverDefaults(): void
    {
        $metrics = new InMemoryMetrics('', ['zone' => 'a']);
        $metrics->inc('a_total', ['zone' => 'b']);
        $metrics->assertCounted('a_total', 1, ['zone' => 'b']);
    }

    /** @return iterable<string, array{array<array-key, mixed>, string}> */
    public static function wrongDefaultLabels(): iterable
    {
        yield 'no text' => [['x' => []], 'label_value'];
        yield 'no name' => [['b-d' => 1], 'label_name'];
        yield 'number as a name' => [['prod'], 'label_name'];
    }

    /**
     * Without its default label a call would count in another series.
     *
     * @dataProvider wrongDefaultLabels
     * @param array<array-key, mixed> $labels
     */
    public function testWrongDefaultLabelsRefuseEachCall(array $labels, string $reason): void
    {
        $metrics = new InMemoryMetrics('', $labels);
        self::assertSame(0, $metrics->dropped());
        $metrics->inc('a_total');
        $metrics->counter('a_total', '', ['y'])->inc(['z']);
        $metrics->event('failed');
        $metrics->assertNothingSent();
        self::assertSame([$reason => 3], $metrics->droppedByReason());
    }

    public function testTimers(): void
    {
        $metrics = new InMemoryMetrics();
        $seconds = $metrics->histogram('work_seconds', '', ['result']);
        self::assertSame('done', $seconds->time(static fn (): string => 'done', ['ok']));
        try {
            $seconds->time(static fn () => throw new \DomainException('no'), ['ok']);
            self::fail('the exception is the program\'s');
        } catch (\DomainException) {
        }
        $timer = $seconds->startTimer();
        \usleep(1000);
        self::assertGreaterThan(0.001, $timer->observe(['result' => 'late']));
        $timer->observe(['result' => 'late']);
        $metrics->assertObserved('work_seconds', 2, ['result' => 'ok']);
        $metrics->assertObserved('work_seconds', 1, ['result' => 'late']);
        self::assertGreaterThan(0.001, $metrics->observed('work_seconds', ['result' => 'late'])[0]);
    }

    public function testOtherLabelsThanDeclared(): void
    {
        $logger = new RecordingLogger();
        $metrics = new InMemoryMetrics(logger: $logger, debug: true);
        $counter = $metrics->counter('a_total', '', ['a', 'b']);
        $line = __LINE__ + 1;
        $counter->inc(['a' => 'x', 'c' => 'y']);
        $counter->inc(['a' => 'x']);
        $counter->inc();
        $counter->inc(['x', 'y', 'z']);
        $counter->inc(['a' => 'x', 'b' => 'y', 'c' => 'z']);
        $metrics->counter('b_total')->inc(['a' => 'x']);
        $metrics->assertNothingSent();
        self::assertSame(['labels' => 6], $metrics->droppedByReason());
        self::assertCount(1, $logger->told);
        self::assertSame('a_total: declared with the labels [a, b], called with [a, c]', $logger->told[0]['detail']);
        self::assertSame([__FILE__, $line], [$logger->told[0]['file'], $logger->told[0]['line']]);
    }

    public function testBuckets(): void
    {
        $metrics = new InMemoryMetrics();
        $metrics->observe('list_seconds', 1, [], [0.1, 1]);
        $metrics->observe('fields', 1, [], ['buckets' => '10', 'bucket_min' => 1, 'bucket_max' => 70]);
        $metrics->histogram('default_seconds')->observe(1);
        [$list, $fields, $default] = $metrics->messages();
        self::assertSame([0.1, 1], $list['bucket_custom']);
        self::assertSame([10, 1, 70], [$fields['buckets'], $fields['bucket_min'], $fields['bucket_max']]);
        self::assertSame(\MetricsServer\Histogram::SECONDS, $default['bucket_custom']);

        $wrong = [['bucket_customs' => [1]], [2, 1], [1, 1], ['bucket_custom' => 5], ['bucket_custom' => []],
            [\NAN], ['x'], [[1]], ['buckets' => 'many'], [\INF], [1, \INF, 2]];
        foreach ($wrong as $buckets) {
            $metrics->observe('wrong', 1, [], $buckets);
            $metrics->histogram('wrong_too', '', [], $buckets)->observe(1);
        }
        self::assertCount(3, $metrics->messages());
        self::assertSame(['bucket_params' => 2 * \count($wrong)], $metrics->droppedByReason());
    }

    public function testRows(): void
    {
        $metrics = new InMemoryMetrics('shop_', ['env' => 'test']);
        $metrics->event('failed', ['job' => 'import'], 2, 1_700_000_000.25);
        $moment = new \DateTimeImmutable('2026-01-02T03:04:05.5+02:00');
        $metrics->index('failed', ['job' => 'import'], 2, 'jobs', $moment);
        $metrics->raw('order', ['shop' => 'de'], '49.90', '2026-01-02T03:04:05Z');
        $metrics->event('plain');
        $head = ['name' => 'shop_failed', 'labels' => ['env' => 'test', 'job' => 'import']];
        self::assertSame([
            ['op' => 'event'] + $head + ['timestamp' => '2023-11-14T22:13:20.250000+00:00', 'value' => 2],
            ['op' => 'index'] + $head
                + ['index' => 'jobs', 'timestamp' => '2026-01-02T03:04:05.500000+02:00', 'value' => 2],
            ['op' => 'raw', 'name' => 'shop_order', 'labels' => ['env' => 'test', 'shop' => 'de'],
                'timestamp' => '2026-01-02T03:04:05Z', 'value' => 49.9],
            ['op' => 'event', 'name' => 'shop_plain', 'labels' => ['env' => 'test'], 'value' => 0],
        ], $metrics->messages());
        foreach (['yesterday', [], \NAN, '2026-01-02 03:04:05'] as $timestamp) {
            $metrics->event('bad', timestamp: $timestamp);
        }
        self::assertSame(['timestamp' => 4], $metrics->droppedByReason());
    }

    /** Labels that never come again must not fill the memory of a worker. */
    public function testMemoryDoesNotGrowWithLabels(): void
    {
        $metrics = new \MetricsServer\NullMetrics();
        $counter = $metrics->counter('a_total', '', ['id']);
        $use = static function (int $from, int $to) use ($metrics, $counter): void {
            for ($i = $from; $i < $to; $i++) {
                $counter->inc(["user-$i"]);
                $metrics->inc("a{$i}_total");
                $metrics->inc('b_total', ['id' => "user-$i"]);
            }
        };
        $use(0, 2000);
        $before = \memory_get_usage();
        $use(2000, 12_000);
        self::assertLessThan(1_500_000, \memory_get_usage() - $before);
    }

    public function testALoggerThatThrows(): void
    {
        $logger = new class () extends \Psr\Log\AbstractLogger {
            public function log($level, $message, array $context = []): void
            {
                throw new \RuntimeException('disk full');
            }
        };
        $metrics = new InMemoryMetrics(logger: $logger);
        $metrics->set('a', []);
        self::assertSame(1, $metrics->dropped());
    }
}
