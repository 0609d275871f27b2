<?php

declare(strict_types=1);

namespace MetricsServer\Compat;

use MetricsServer\DropReason;
use MetricsServer\MetricsInterface;
use Prometheus\Storage\Adapter;

/**
 * A storage for promphp/prometheus_client_php: `new CollectorRegistry(new PrometheusAdapter($metrics), false)`.
 *
 * Programs go on using their registry; what they count goes to metrics-server, which Prometheus scrapes.
 * What the server cannot do is refused as `unsupported`: summaries.
 */
final class PrometheusAdapter implements Adapter
{
    public function __construct(private readonly MetricsInterface $metrics)
    {
    }

    /** @return array{} the server has the page, not the program */
    public function collect(bool $sortMetrics = true): array
    {
        return [];
    }

    /** Does nothing: the series of the server are those of all programs. */
    public function wipeStorage(): void
    {
    }

    /** @param array<string, mixed> $data */
    public function updateCounter(array $data): void
    {
        $this->metrics->inc($data['name'], self::labels($data), $data['value'], $data['help']);
    }

    /** @param array<string, mixed> $data */
    public function updateGauge(array $data): void
    {
        if ($data['command'] === Adapter::COMMAND_SET) {
            $this->metrics->set($data['name'], $data['value'], self::labels($data), $data['help']);
        } else {
            $this->metrics->add($data['name'], $data['value'], self::labels($data), $data['help']);
        }
    }

    /** @param array<string, mixed> $data */
    public function updateHistogram(array $data): void
    {
        $this->metrics->observe($data['name'], $data['value'], self::labels($data), $data['buckets'], $data['help']);
    }

    /** @param array<string, mixed> $data */
    public function updateSummary(array $data): void
    {
        $why = 'the server has no summaries; a histogram takes their place';
        $this->metrics->refuse(DropReason::Unsupported, "{$data['name']}: $why");
    }

    /**
     * @param array<string, mixed> $data
     * @return array<string, mixed>
     */
    private static function labels(array $data): array
    {
        return \array_combine($data['labelNames'], $data['labelValues']);
    }
}
