<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

/** A connected socket that never blocks. It closes when nothing refers to it any more. */
interface Socket
{
    /**
     * @return int how many bytes the kernel has taken; 0 where it has no room
     * @throws SocketError
     */
    public function write(string $bytes): int;

    /**
     * What became of a datagram that was sent before; it is told once.
     *
     * @throws SocketError
     */
    public function checkEarlier(): void;

    /** Waits until there is room, at most for so long. */
    public function waitWritable(int $microseconds): bool;
}
