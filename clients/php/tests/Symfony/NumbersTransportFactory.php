<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Symfony;

use Symfony\Component\Messenger\Transport\Serialization\SerializerInterface;
use Symfony\Component\Messenger\Transport\TransportFactoryInterface;
use Symfony\Component\Messenger\Transport\TransportInterface;

/** Makes the transport of `numbers://`. */
final class NumbersTransportFactory implements TransportFactoryInterface
{
    /** @param array<string, mixed> $options */
    public function createTransport(string $dsn, array $options, SerializerInterface $serializer): TransportInterface
    {
        return new NumbersTransport();
    }

    /** @param array<string, mixed> $options */
    public function supports(string $dsn, array $options): bool
    {
        return $dsn === 'numbers://';
    }
}
