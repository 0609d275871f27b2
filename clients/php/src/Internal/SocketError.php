<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\DropReason;

/** An error number of the kernel's, those of Linux. It never leaves the library. */
final class SocketError extends \Exception
{
    public const EAGAIN = 11;
    public const EPIPE = 32;
    public const EMSGSIZE = 90;
    public const ECONNRESET = 104;
    public const ENOBUFS = 105;
    public const ECONNREFUSED = 111;
    public const EHOSTUNREACH = 113;
    private const ENOTCONN = 107;
    private const ENETUNREACH = 101;

    public function __construct(public readonly int $errno, string $what)
    {
        parent::__construct("$what (errno $errno)");
    }

    public function reason(): DropReason
    {
        return match ($this->errno) {
            self::ECONNREFUSED => DropReason::Refused,
            self::EAGAIN, self::ENOBUFS => DropReason::Full,
            self::EMSGSIZE => DropReason::TooLong,
            self::EPIPE, self::ECONNRESET, self::ENOTCONN => DropReason::Closed,
            default => DropReason::Unreachable,
        };
    }

    /** Whether a connected UDP socket tells so of a datagram that it has sent before. */
    public function isOfEarlierDatagram(): bool
    {
        return \in_array($this->errno, [self::ECONNREFUSED, self::EHOSTUNREACH, self::ENETUNREACH], true);
    }
}
