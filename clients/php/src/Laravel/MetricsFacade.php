<?php

declare(strict_types=1);

namespace MetricsServer\Laravel;

use Illuminate\Support\Facades\Facade;
use MetricsServer\Counter;
use MetricsServer\DropReason;
use MetricsServer\Gauge;
use MetricsServer\Histogram;
use MetricsServer\MetricsInterface;

/**
 * The application's client: `use MetricsServer\Laravel\MetricsFacade as Metrics;`.
 *
 * @method static Counter counter(string $name, string $help = '', array $labels = [])
 * @method static Gauge gauge(string $name, string $help = '', array $labels = [])
 * @method static Histogram histogram(string $name, string $help = '', array $labels = [], array $buckets = [])
 * @method static void inc(string $name, array $labels = [], mixed $by = 1, string $help = '')
 * @method static void set(string $name, mixed $value, array $labels = [], string $help = '')
 * @method static void add(string $name, mixed $by, array $labels = [], string $help = '')
 * @method static void observe(string $name, mixed $value, array $labels = [], array $buckets = [], string $help = '')
 * @method static void event(string $name, array $labels = [], mixed $value = 0, mixed $timestamp = null)
 * @method static void index(string $name, array $labels = [], mixed $value = 0, string $index = '', $timestamp = null)
 * @method static void raw(string $name, array $labels = [], mixed $value = 0, mixed $timestamp = null)
 * @method static void flush()
 * @method static void tick()
 * @method static void refuse(DropReason $reason, string $detail)
 * @method static int dropped(?DropReason $reason = null)
 * @method static array<string, int> droppedByReason()
 *
 * @see MetricsInterface
 */
final class MetricsFacade extends Facade
{
    protected static function getFacadeAccessor(): string
    {
        return MetricsInterface::class;
    }
}
