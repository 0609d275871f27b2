<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\DropReason;

/** Where a server listens: a UDP port or a unix stream socket. */
final class Address
{
    /** What an Ethernet frame carries without fragments: 1,500 less 40 for IPv6, 8 for UDP, and room for a tunnel. */
    private const BATCH_OFF_HOST = 1432;
    /** On the loopback and on unix sockets nothing fragments. */
    private const BATCH_LOCAL = 8192;
    /** 65,535 bytes of an IP packet less 20 for its header and 8 for UDP's. */
    private const DATAGRAM_MAX = 65_507;
    /** `sun_path` of Linux has 108 bytes, the last a NUL. */
    private const PATH_MAX = 107;

    private function __construct(
        public readonly bool $isUnix,
        public readonly string $hostOrPath,
        public readonly int $port = 0,
    ) {
    }

    /** @throws Refusal */
    public static function parse(string $text): self
    {
        if (\str_starts_with($text, 'unix://')) {
            $path = \substr($text, 7);
            if ($path === '' || \strlen($path) > self::PATH_MAX || \str_contains($path, "\0")) {
                throw self::refusal($text, 'a path of a socket has 1 to ' . self::PATH_MAX . ' bytes');
            }
            return new self(true, $path);
        }
        if (\preg_match('~^udp://(?:\[([0-9a-fA-F:.]+)\]|([a-zA-Z0-9._-]+)):(\d{1,5})$~D', $text, $parts) !== 1) {
            throw self::refusal($text, 'it is udp://host:port, udp://[IPv6]:port or unix:///path');
        }
        if ((int) $parts[3] < 1 || (int) $parts[3] > 65535) {
            throw self::refusal($text, 'a port is 1 to 65535');
        }
        return new self(false, $parts[1] . $parts[2], (int) $parts[3]);
    }

    /** @param int|null $wanted in place of what suits the address */
    public function batchBytes(?int $wanted): int
    {
        if ($wanted !== null) {
            return $this->isUnix ? $wanted : \min($wanted, self::DATAGRAM_MAX);
        }
        $isLocal = $this->isUnix || \preg_match('~^(127\.|localhost$|::1$)~i', $this->hostOrPath) === 1;
        return $isLocal ? self::BATCH_LOCAL : self::BATCH_OFF_HOST;
    }

    /** A longer message cannot be sent. */
    public function messageBytesMax(): int
    {
        return $this->isUnix ? \PHP_INT_MAX : self::DATAGRAM_MAX;
    }

    public function transport(Drops $drops, int $maxBlockNs): Transport
    {
        return $this->isUnix ? new UnixTransport($this, $drops, $maxBlockNs) : new UdpTransport($this, $drops);
    }

    public function text(): string
    {
        if ($this->isUnix) {
            return "unix://{$this->hostOrPath}";
        }
        $host = \str_contains($this->hostOrPath, ':') ? "[{$this->hostOrPath}]" : $this->hostOrPath;
        return "udp://$host:{$this->port}";
    }

    /**
     * The same with a numeric host. A host's name is looked up once in a process, which may wait for the resolver:
     * no other step ever waits for the network.
     *
     * @throws SocketError
     */
    public function resolved(): self
    {
        /** @var array<string, string> $known */
        static $known = [];
        $host = $this->hostOrPath;
        if ($this->isUnix || \filter_var($host, \FILTER_VALIDATE_IP) !== false) {
            return $this;
        }
        if (!isset($known[$host])) {
            // Connecting a UDP socket sends nothing; it makes the C library choose one of the host's addresses.
            $probe = \stream_socket_client($this->text());
            $peer = $probe === false ? false : \stream_socket_get_name($probe, true);
            if ($peer === false) {
                throw new SocketError(SocketError::EHOSTUNREACH, "cannot resolve $host");
            }
            $known[$host] = \trim(\substr($peer, 0, (int) \strrpos($peer, ':')), '[]');
        }
        return new self(false, $known[$host], $this->port);
    }

    private static function refusal(string $address, string $rule): Refusal
    {
        return new Refusal(DropReason::Address, Text::show($address) . " is no address of a server: $rule");
    }
}
