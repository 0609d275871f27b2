<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Compat;

use MetricsServer\Compat\DogStatsd;
use MetricsServer\InMemoryMetrics;
use PHPUnit\Framework\TestCase;

final class DogStatsdTest extends TestCase
{
    public function testMethods(): void
    {
        $metrics = new InMemoryMetrics();
        $statsd = new DogStatsd($metrics);
        $statsd->increment('page.views', 0.001, ['env' => 'test', 'user-type' => 'guest']);
        $statsd->increment(['page.views', 'hits'], 1, 'env:test,urgent', 2);
        $statsd->updateStats('hits', 5, 1.0, ['env:test', 'urgent']);
        $statsd->gauge('queue.length', 7);
        $statsd->histogram('cart', 3, tags: ['shop' => 'de']);
        $statsd->distribution('cart', 4, 1, ['shop' => 'de']);
        $statsd->timing('db.query', 250);
        $statsd->microtiming('db.query', 0.5);
        $statsd->serviceCheck('db.up', DogStatsd::CRITICAL, ['node' => 1], 'host1', 'down');
        $statsd->event('Deployed', ['text' => 'v2', 'date_happened' => '1700000000', 'tags' => 'env:test']);

        $metrics->assertCounted('page_views', 1, ['env' => 'test', 'user_type' => 'guest']);
        $metrics->assertCounted('page_views', 2, ['env' => 'test', 'urgent' => 'true']);
        $metrics->assertCounted('hits', 7, ['env' => 'test', 'urgent' => 'true']);
        $metrics->assertGauge('queue_length', 7);
        self::assertSame([3, 4], $metrics->observed('cart', ['shop' => 'de']));
        self::assertSame([0.25, 0.5], $metrics->observed('db_query_seconds'));
        $metrics->assertGauge('db_up', 2, ['node' => '1', 'hostname' => 'host1']);
        $metrics->assertEvent('dogstatsd_event', ['title' => 'Deployed', 'text' => 'v2', 'env' => 'test']);
        $metrics->assertNothingDropped();
    }

    public function testWhatTheServerCannotDo(): void
    {
        $metrics = new InMemoryMetrics();
        $statsd = new DogStatsd($metrics);
        $statsd->set('users', 'me');
        $statsd->decrement('hits');
        $statsd->decrement('hits', value: 3);
        $metrics->assertNothingSent();
        self::assertSame(['unsupported' => 1, 'negative_increment' => 2], $metrics->droppedByReason());
    }

    public function testWhatGoesUpAndDownIsAGauge(): void
    {
        $metrics = new InMemoryMetrics();
        $statsd = new DogStatsd($metrics, gauges: ['jobs.running']);
        $statsd->increment('jobs.running', tags: ['queue' => 'mail'], value: 3);
        $statsd->decrement('jobs.running', tags: ['queue' => 'mail']);
        $statsd->updateStats(['jobs.running', 'hits'], 2, 1.0, ['queue' => 'mail']);
        $metrics->assertGauge('jobs_running', 4, ['queue' => 'mail']);
        $metrics->assertCounted('hits', 2);
        $metrics->assertNothingDropped();
    }

    /** Numbers that are strings count as everywhere; tags that are neither list nor text are none. */
    public function testTakesWhatOthersSend(): void
    {
        $metrics = new InMemoryMetrics();
        $statsd = new DogStatsd($metrics, gauges: ['jobs.running']);
        $statsd->decrement('jobs.running', 1.0, null, '2');
        $metrics->assertGauge('jobs_running', -2);
        self::assertTrue($statsd->event('deployed', ['tags' => 5]));
    }
}
