<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

/**
 * Sends each batch as a datagram of a connected socket, so that the kernel tells when nothing listens.
 *
 * It tells so of an earlier datagram: on this host before the call has returned, from elsewhere at some later call,
 * and then in place of sending.
 */
final class UdpTransport implements Transport
{
    /** A name that did not resolve is left alone for so long, since looking it up may take seconds. */
    private const RESOLVE_PAUSE_NS = 10_000_000_000;

    private ?Socket $socket = null;
    /** Messages of the last datagram, whose error may still come. */
    private int $lastMessages = 0;
    private int $resolveAgainAt = 0;

    public function __construct(private readonly Address $address, private readonly Drops $drops)
    {
    }

    public function send(string $batch): void
    {
        if ($batch === '') {
            // Of nothing UDP makes a datagram as well.
            return;
        }
        $messages = \substr_count($batch, "\n");
        try {
            $this->socket ??= $this->open();
            if ($this->write($this->socket, $batch) === 0) {
                throw new SocketError(SocketError::ENOBUFS, "no room to send to {$this->address->text()}");
            }
        } catch (SocketError $error) {
            $this->socket = null;
            $this->drops->count($error->reason(), $messages, $error->getMessage());
            return;
        }
        $this->lastMessages = $messages;
        try {
            $this->socket->checkEarlier();
        } catch (SocketError $error) {
            $this->dropLast($error);
            // A stream that has had an error shows it for good.
            $this->socket = null;
        }
    }

    public function settle(): void
    {
    }

    public function abandon(): void
    {
    }

    public function refill(): void
    {
    }

    public function startAnew(): void
    {
        $this->socket = null;
        $this->lastMessages = 0;
    }

    /** @throws SocketError */
    private function write(Socket $socket, string $batch): int
    {
        try {
            return $socket->write($batch);
        } catch (SocketError $error) {
            if (!$error->isOfEarlierDatagram()) {
                throw $error;
            }
            $this->dropLast($error);
            return $socket->write($batch);
        }
    }

    private function dropLast(SocketError $error): void
    {
        $this->drops->count($error->reason(), $this->lastMessages, $error->getMessage());
        $this->lastMessages = 0;
    }

    /** @throws SocketError */
    private function open(): Socket
    {
        $now = \hrtime(true);
        if ($now < $this->resolveAgainAt) {
            throw new SocketError(SocketError::EHOSTUNREACH, "cannot resolve {$this->address->hostOrPath}");
        }
        $this->resolveAgainAt = $now + self::RESOLVE_PAUSE_NS;
        $numeric = $this->address->resolved();
        $this->resolveAgainAt = 0;
        return Sockets::open($numeric);
    }
}
