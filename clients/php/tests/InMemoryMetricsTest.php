<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

use MetricsServer\InMemoryMetrics;
use MetricsServer\MetricsInterface;
use MetricsServer\NullMetrics;
use PHPUnit\Framework\AssertionFailedError;
use PHPUnit\Framework\TestCase;

/** What a program's own tests use. */
final class InMemoryMetricsTest extends TestCase
{
    public function testAssertionsFail(): void
    {
        $metrics = new InMemoryMetrics();
        $this->use($metrics);
        $wrong = [
            static fn () => $metrics->assertCounted('a_total', 2),
            static fn () => $metrics->assertCounted('a_total', 1, ['x' => '2']),
            static fn () => $metrics->assertGauge('b', 1),
            static fn () => $metrics->assertGauge('none', 0),
            static fn () => $metrics->assertObserved('c_seconds', 2),
            static fn () => $metrics->assertEvent('none'),
            static fn () => $metrics->assertNothingSent(),
            static fn () => $metrics->assertNothingDropped(),
        ];
        foreach ($wrong as $number => $assertion) {
            try {
                $assertion();
            } catch (AssertionFailedError $error) {
                self::assertStringContainsString('"name":"a_total"', $error->getMessage());
                continue;
            }
            self::fail("assertion $number holds");
        }
    }

    public function testAssertionsHold(): void
    {
        $metrics = new InMemoryMetrics();
        $this->use($metrics);
        $metrics->assertCounted('a_total', 1, ['x' => '1']);
        $metrics->assertGauge('b', 3);
        $metrics->assertGauge('f', -1.5, ['x' => '1']);
        $metrics->assertGauge('f', 2, ['x' => '2']);
        $metrics->assertObserved('c_seconds', 1);
        $metrics->assertEvent('d');
        (new InMemoryMetrics())->assertNothingDropped();
        (new InMemoryMetrics())->assertNothingSent();
    }

    public function testNullMetrics(): void
    {
        $metrics = new NullMetrics();
        $this->use($metrics);
        self::assertSame(1, $metrics->dropped(), 'what cannot be sent is told there, too');
    }

    private function use(MetricsInterface $metrics): void
    {
        $metrics->counter('a_total', '', ['x'])->inc(['1']);
        $metrics->gauge('b')->add(5);
        $metrics->gauge('b')->set(1);
        $metrics->gauge('b')->set(3);
        $metrics->add('f', -1.5, ['x' => '1']);
        $jobs = $metrics->gauge('f', '', ['x']);
        $jobs->inc(['2']);
        $jobs->dec(['x' => '2']);
        $jobs->add('2', ['2']);
        $metrics->histogram('c_seconds')->observe(0.1);
        $metrics->event('d');
        $metrics->set('e', []);
        $metrics->flush();
        $metrics->tick();
    }
}
