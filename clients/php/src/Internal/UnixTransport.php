<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\DropReason;

/**
 * Sends batches over a unix stream socket that stays open.
 *
 * A server that does not read fills the socket's buffer, and what follows waits here, up to a bound.
 * Only past that bound and at the end is there any waiting for the server, within the budget;
 * a server that has let one wait run out is not waited for again before it has taken something.
 */
final class UnixTransport implements Transport
{
    /** About what the socket's own buffer holds: a second of 10,000 messages of 40 bytes finds room in the two. */
    private const PENDING_MAX = 262_144;

    private ?Socket $socket = null;
    /** Whole messages that the kernel has not taken, but for the first `$taken` bytes. */
    private string $pending = '';
    /** Always fewer bytes than the first message has. */
    private int $taken = 0;
    private int $budgetNs;
    private bool $isStalled = false;

    public function __construct(
        private readonly Address $address,
        private readonly Drops $drops,
        private readonly int $maxBlockNs,
    ) {
        $this->budgetNs = $maxBlockNs;
    }

    public function send(string $batch): void
    {
        if ($this->pending !== '') {
            $this->write();
            if (!$this->hasRoomFor($batch)) {
                $this->settle();
            }
            if (!$this->hasRoomFor($batch)) {
                $this->drops->count(DropReason::Full, \substr_count($batch, "\n"), $this->silence());
                return;
            }
        }
        $this->pending .= $batch;
        $this->write();
    }

    public function settle(): void
    {
        $this->write();
        while ($this->pending !== '' && $this->socket !== null && !$this->isStalled && $this->budgetNs >= 1000) {
            $startedAt = \hrtime(true);
            $isReady = $this->socket->waitWritable(\intdiv($this->budgetNs, 1000));
            $this->budgetNs -= \hrtime(true) - $startedAt;
            // A signal may end a wait early.
            $this->isStalled = !$isReady && $this->budgetNs < 1000;
            $this->write();
        }
    }

    public function abandon(): void
    {
        if ($this->taken > 0) {
            // The server has a part of a message, which it refuses as unterminated.
            $this->socket = null;
        }
        $this->drop(DropReason::Full, $this->silence());
    }

    public function refill(): void
    {
        $this->budgetNs = $this->maxBlockNs;
    }

    public function startAnew(): void
    {
        $this->socket = null;
        $this->pending = '';
        $this->taken = 0;
        $this->isStalled = false;
        $this->refill();
    }

    /** Writes what goes without waiting. */
    private function write(): void
    {
        $isNew = false;
        while ($this->pending !== '') {
            try {
                if ($this->socket === null) {
                    $isNew = true;
                    $this->socket = Sockets::open($this->address);
                }
                $bytes = $this->taken === 0 ? $this->pending : \substr($this->pending, $this->taken);
                $taken = $this->socket->write($bytes);
                if ($taken === 0) {
                    return;
                }
                $this->isStalled = false;
                $this->advance($taken);
            } catch (SocketError $error) {
                $this->forgetConnection();
                if ($error->errno === SocketError::EAGAIN) {
                    // The queue of connections is full: the next batch may find room.
                    return;
                }
                // A server that was restarted leaves a dead connection behind: once more, on a new one.
                if ($isNew) {
                    $this->drop($error->reason(), $error->getMessage());
                }
            }
        }
    }

    private function advance(int $bytes): void
    {
        $this->taken += $bytes;
        if ($this->taken === \strlen($this->pending)) {
            $this->pending = '';
            $this->taken = 0;
            return;
        }
        $end = \strrpos(\substr($this->pending, 0, $this->taken), "\n");
        if ($end !== false) {
            $this->pending = \substr($this->pending, $end + 1);
            $this->taken -= $end + 1;
        }
    }

    /** What the server has a part of is sent again whole: it refuses the part. */
    private function forgetConnection(): void
    {
        $this->socket = null;
        if ($this->taken > 0 && $this->pending[$this->taken] === "\n") {
            // All but the newline is a whole message, which counts.
            $this->pending = \substr($this->pending, $this->taken + 1);
        }
        $this->taken = 0;
    }

    /** A batch that is itself larger than the bound has room if nothing waits. */
    private function hasRoomFor(string $batch): bool
    {
        return $this->pending === '' || \strlen($this->pending) + \strlen($batch) <= self::PENDING_MAX;
    }

    private function silence(): string
    {
        return "{$this->address->text()} does not read";
    }

    private function drop(DropReason $reason, string $detail): void
    {
        $this->drops->count($reason, \substr_count($this->pending, "\n"), $detail);
        $this->pending = '';
        $this->taken = 0;
    }
}
