<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

use MetricsServer\DropReason;
use MetricsServer\InMemoryMetrics;
use PHPUnit\Framework\TestCase;

/** What PHP programs pass as values and labels: taken or counted, never an exception. */
final class ValuesTest extends TestCase
{
    /** @return iterable<string, array{mixed, int|float}> */
    public static function takenValues(): iterable
    {
        yield 'int' => [-3, -3];
        yield 'float' => [0.1 + 0.2, 0.1 + 0.2];
        yield 'numeric string' => ['5', 5];
        yield 'float string' => ['1e3', 1000.0];
        yield 'null' => [null, 0];
        yield 'true' => [true, 1];
        yield 'Stringable' => [new Money('19.90'), 19.9];
        yield 'backed enum' => [Level::High, 9];
    }

    /** @dataProvider takenValues */
    public function testTakes(mixed $value, int|float $expected): void
    {
        $metrics = new InMemoryMetrics();
        $metrics->set('direct', $value);
        $metrics->gauge('bound')->set($value);
        $metrics->assertGauge('direct', $expected);
        $metrics->assertGauge('bound', $expected);
        $metrics->assertNothingDropped();
    }

    /** @return iterable<string, array{mixed}> */
    public static function refusedValues(): iterable
    {
        yield 'array' => [[1]];
        yield 'empty array' => [[]];
        yield 'NaN' => [\NAN];
        yield 'INF' => [\INF];
        yield 'too large a text' => ['1e999'];
        yield 'text' => ['five'];
        yield 'empty text' => [''];
        yield 'object' => [new \stdClass()];
        yield 'pure enum' => [Shop::De];
        yield 'backed enum of a text' => [Status::Paid];
        yield 'Stringable that throws' => [new Money('broken')];
        yield 'closure' => [static fn (): int => 1];
    }

    /** @dataProvider refusedValues */
    public function testRefuses(mixed $value): void
    {
        $metrics = new InMemoryMetrics();
        $metrics->set('direct', $value);
        $metrics->inc('direct_total', by: $value);
        $metrics->observe('direct_seconds', $value);
        $metrics->gauge('bound')->set($value);
        $metrics->counter('bound_total')->add($value);
        $metrics->histogram('bound_seconds')->observe($value);
        $metrics->assertNothingSent();
        self::assertSame(['value' => 6], $metrics->droppedByReason());
    }

    public function testLabels(): void
    {
        $metrics = new InMemoryMetrics();
        $labels = ['backed' => Status::Paid, 'pure' => Shop::De, 'null' => null, 'true' => true, 'int' => 200,
            'float' => 1.5, 'object' => new Money('x'), 'utf8' => "a\xFFb", 'nul' => "a\0b"];
        $metrics->inc('direct_total', $labels);
        $metrics->counter('bound_total', '', \array_keys($labels))->inc($labels);
        $metrics->counter('bound_total', '', \array_keys($labels))->inc(\array_values($labels));
        $expected = ['backed' => 'paid', 'pure' => 'De', 'null' => '', 'true' => 'true', 'int' => '200',
            'float' => '1.5', 'object' => 'x', 'utf8' => "a\u{FFFD}b", 'nul' => "a\0b"];
        $metrics->assertCounted('direct_total', 1, $expected);
        $metrics->assertCounted('bound_total', 2, $expected);
        $metrics->inc('direct_total', ['list' => ['a']]);
        $metrics->inc('direct_total', ['object' => new \stdClass()]);
        $metrics->inc('direct_total', ['broken' => new Money('broken')]);
        self::assertSame(['label_value' => 3], $metrics->droppedByReason());
    }

    /** Texts that look alike to a careless cache are different series, also when the cache is warm. */
    public function testLabelsAreNotMixedUp(): void
    {
        $sets = [
            ['a' => "x\0b\0y"], ['a' => 'x', 'b' => 'y'], ['a' => 'x', 'b' => "y\0"], ['a' => "x\0", 'b' => 'y'],
            ['a' => '1', 'b' => ''], ['a' => true, 'b' => null], ['a' => 1, 'b' => false], ['b' => 'x', 'a' => 'y'],
        ];
        $metrics = new InMemoryMetrics();
        $counter = $metrics->counter('bound_total', '', ['a', 'b']);
        for ($round = 0; $round < 2; $round++) {
            foreach ($sets as $labels) {
                $metrics->inc('direct_total', $labels);
                if (\count($labels) === 2) {
                    $counter->inc($labels);
                }
            }
        }
        foreach (['direct_total' => 8, 'bound_total' => 7] as $name => $series) {
            $messages = \array_filter($metrics->messages(), static fn (array $m): bool => $m['name'] === $name);
            self::assertCount($series, \array_count_values(\array_map(\serialize(...), $messages)));
            foreach (\array_count_values(\array_map(\serialize(...), $messages)) as $times) {
                self::assertSame(2, $times);
            }
        }
    }

    public function testNegativeIncrement(): void
    {
        $metrics = new InMemoryMetrics();
        $metrics->inc('a_total', by: -1);
        $metrics->inc('a_total', by: '-0.5');
        $metrics->counter('b_total')->add(-1.0);
        $metrics->assertNothingSent();
        self::assertSame(3, $metrics->dropped(DropReason::NegativeIncrement));
    }

    public function testNames(): void
    {
        $metrics = new InMemoryMetrics();
        foreach (['', 'a b', '1a', 'ä', "a\n"] as $name) {
            $metrics->inc($name);
            $metrics->counter($name)->inc();
            $metrics->event($name);
        }
        $metrics->inc('a_total', ['1a' => 'x']);
        $metrics->inc('a_total', ['__a' => 'x']);
        $metrics->inc('a_total', ['GET']);
        $metrics->observe('a_seconds', 1, ['le' => 'x']);
        $metrics->assertNothingSent();
        self::assertSame(['name' => 15, 'label_name' => 3, 'reserved_label' => 1], $metrics->droppedByReason());
    }
}
