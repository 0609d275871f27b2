<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Compat;

use MetricsServer\Compat\PrometheusAdapter;
use MetricsServer\InMemoryMetrics;
use PHPUnit\Framework\TestCase;
use Prometheus\CollectorRegistry;
use Prometheus\Storage\Adapter;

/** With the library itself where PROMPHP names its directory; Debian has no package of it. */
final class PrometheusAdapterTest extends TestCase
{
    public static function setUpBeforeClass(): void
    {
        $directory = \getenv('PROMPHP');
        if ($directory === false) {
            require_once __DIR__ . '/promphp.php';
            return;
        }
        \spl_autoload_register(static function (string $class) use ($directory): void {
            $file = "$directory/src/" . \strtr($class, '\\', '/') . '.php';
            if (\str_starts_with($class, 'Prometheus\\') && \is_file($file)) {
                require $file;
            }
        });
    }

    public function testWhatTheLibraryPasses(): void
    {
        $metrics = new InMemoryMetrics();
        $adapter = new PrometheusAdapter($metrics);
        $data = ['name' => 'a', 'help' => 'A.', 'labelNames' => ['x'], 'labelValues' => ['1']];
        $adapter->updateCounter($data + ['value' => 2, 'command' => Adapter::COMMAND_INCREMENT_INTEGER]);
        $adapter->updateGauge($data + ['value' => 3.5, 'command' => Adapter::COMMAND_SET]);
        $adapter->updateGauge($data + ['value' => 1, 'command' => Adapter::COMMAND_INCREMENT_INTEGER]);
        $adapter->updateGauge($data + ['value' => -0.25, 'command' => Adapter::COMMAND_INCREMENT_FLOAT]);
        $adapter->updateHistogram($data + ['value' => 0.5, 'buckets' => [0.1, 1]]);
        $adapter->updateSummary($data + ['value' => 0.5, 'maxAgeSeconds' => 60, 'quantiles' => [0.5]]);
        $adapter->wipeStorage();
        $metrics->assertCounted('a', 2, ['x' => '1']);
        $metrics->assertGauge('a', 4.25, ['x' => '1']);
        self::assertSame([0.5], $metrics->observed('a', ['x' => '1']));
        self::assertSame([0.1, 1], $metrics->messages()[4]['bucket_custom']);
        self::assertSame('A.', $metrics->messages()[0]['help']);
        self::assertSame(['unsupported' => 1], $metrics->droppedByReason());
        self::assertSame([], $adapter->collect());
    }

    public function testARegistry(): void
    {
        if (!\class_exists(CollectorRegistry::class)) {
            $this->expectNotToPerformAssertions();
            return;
        }
        $metrics = new InMemoryMetrics();
        $registry = new CollectorRegistry(new PrometheusAdapter($metrics), false);
        $registry->getOrRegisterCounter('shop', 'orders_total', 'Orders.', ['status'])->inc(['paid']);
        $registry->getOrRegisterCounter('shop', 'orders_total', 'Orders.', ['status'])->incBy(2, ['paid']);
        $stock = $registry->getOrRegisterGauge('shop', 'stock', 'Stock.');
        $stock->set(4);
        $stock->incBy(2.5);
        $stock->decBy(1);
        $stock->dec();
        $registry->getOrRegisterHistogram('shop', 'cart', 'Items.', [], [1, 5])->observe(3);
        $metrics->assertCounted('shop_orders_total', 3, ['status' => 'paid']);
        $metrics->assertGauge('shop_stock', 4.5);
        $metrics->assertObserved('shop_cart', 1);
        $metrics->assertNothingDropped();
    }
}
