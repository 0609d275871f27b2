<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

/** A socket of ext-sockets. */
final class ExtensionSocket implements Socket
{
    private function __construct(private readonly \Socket $socket, private readonly string $peer)
    {
    }

    /** @throws SocketError */
    public static function connect(Address $address): self
    {
        $host = $address->hostOrPath;
        if ($address->isUnix) {
            $socket = \socket_create(\AF_UNIX, \SOCK_STREAM, 0);
        } else {
            $socket = \socket_create(\str_contains($host, ':') ? \AF_INET6 : \AF_INET, \SOCK_DGRAM, \SOL_UDP);
        }
        if ($socket === false) {
            throw new SocketError(\socket_last_error(), 'cannot make a socket');
        }
        \socket_set_nonblock($socket);
        $isConnected = $address->isUnix
            ? \socket_connect($socket, $host)
            : \socket_connect($socket, $host, $address->port);
        if (!$isConnected) {
            throw new SocketError(\socket_last_error($socket), "cannot connect to {$address->text()}");
        }
        return new self($socket, $address->text());
    }

    public function write(string $bytes): int
    {
        $taken = \socket_send($this->socket, $bytes, \strlen($bytes), 0);
        if ($taken !== false) {
            return $taken;
        }
        $errno = \socket_last_error($this->socket);
        if ($errno === SocketError::EAGAIN) {
            return 0;
        }
        throw $this->error($errno);
    }

    public function checkEarlier(): void
    {
        $errno = \socket_get_option($this->socket, \SOL_SOCKET, \SO_ERROR);
        if (\is_int($errno) && $errno !== 0) {
            throw $this->error($errno);
        }
    }

    public function waitWritable(int $microseconds): bool
    {
        $read = $except = null;
        $write = [$this->socket];
        return (int) \socket_select($read, $write, $except, 0, $microseconds) > 0;
    }

    private function error(int $errno): SocketError
    {
        return new SocketError($errno, "cannot send to {$this->peer}");
    }
}
