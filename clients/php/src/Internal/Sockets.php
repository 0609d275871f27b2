<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

/** Opens sockets: with ext-sockets, which tells error numbers, or else with streams, which every PHP has. */
final class Sockets
{
    /** For tests: the way through streams can be taken on any PHP. */
    private static bool $isExtensionUsed = true;

    public static function useExtension(bool $isUsed): void
    {
        self::$isExtensionUsed = $isUsed;
    }

    /** @throws SocketError */
    public static function open(Address $address): Socket
    {
        return self::$isExtensionUsed && \extension_loaded('sockets')
            ? ExtensionSocket::connect($address)
            : StreamSocket::connect($address);
    }
}
