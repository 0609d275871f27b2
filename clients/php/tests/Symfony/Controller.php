<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Symfony;

use MetricsServer\Metrics;
use MetricsServer\MetricsInterface;
use MetricsServer\Tests\Ends;
use Symfony\Component\HttpFoundation\Response;

final class Controller
{
    /** Both can be asked for, and are the same; switched off, there is only the interface. */
    public function __construct(private readonly MetricsInterface $metrics, private readonly ?Metrics $client = null)
    {
    }

    public function order(int $id): Response
    {
        $this->metrics->inc('orders_total');
        $this->client?->inc('same_client_total', ['same' => $this->metrics === $this->client]);
        return new Response("order $id");
    }

    public function end(string $way): Response
    {
        Ends::by($way);
        return new Response('not ended');
    }
}
