<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\DropReason;

/** Collects messages to batches: a batch goes when it is full, when it is old, and when the script ends. */
final class Outbox implements Sink
{
    /**
     * How often a call looks whether the process is still the same. A fork takes longer than that, some 100 us,
     * so its child cannot make a call before the next look, and calls in a row need no system call each.
     */
    private const FORK_CHECK_NS = 20_000;

    private string $buffer = '';
    private int $sentAt;
    /** When a call next looks at the process and at the age of what is buffered. */
    private int $checkAt;
    private int $process;
    /** A signal's handler or another coroutine may come in while a batch is being sent. */
    private bool $isSending = false;

    public function __construct(
        private readonly Transport $transport,
        private readonly Drops $drops,
        private readonly int $batchBytes,
        private readonly int $messageBytesMax,
        private readonly int $maxAgeNs,
        bool $flushOnSigterm,
    ) {
        $this->sentAt = \hrtime(true);
        $this->checkAt = $this->sentAt;
        $this->process = (int) \getmypid();
        ProcessEnd::watch($this, $flushOnSigterm);
    }

    /** A client that nobody needs any more sends what it has. */
    public function __destruct()
    {
        $this->end();
    }

    public function append(string $line): void
    {
        if (\hrtime(true) < $this->checkAt && \strlen($this->buffer) + \strlen($line) <= $this->batchBytes) {
            $this->buffer .= $line;
        } else {
            $this->appendWithChecks($line);
        }
    }

    public function flush(): void
    {
        $this->send();
        $this->whileQuiet($this->transport->settle(...));
    }

    public function tick(): void
    {
        $this->transport->refill();
        if ($this->isOld(\hrtime(true))) {
            $this->send();
        }
    }

    /** At the end of a script: sends what is there; what cannot be sent now is dropped. */
    public function end(): void
    {
        $this->flush();
        $this->whileQuiet($this->transport->abandon(...));
    }

    private function appendWithChecks(string $line): void
    {
        $this->startAnewAfterFork();
        if (\strlen($line) > $this->messageBytesMax) {
            // Told here, and not when the batch is sent, so that the logger gets the file and line of the call.
            $bytes = \strlen($line) . ' bytes are longer than a datagram: ' . Text::show($line);
            $this->drops->refuse(new Refusal(DropReason::TooLong, $bytes));
            return;
        }
        if (\strlen($this->buffer) + \strlen($line) > $this->batchBytes) {
            $this->send();
        }
        if ($this->isSending && \strlen($this->buffer) + \strlen($line) > $this->batchBytes) {
            $this->drops->count(DropReason::Full, 1, 'a batch is being sent, and the next one is full');
            return;
        }
        $this->buffer .= $line;
        $now = \hrtime(true);
        if ($this->isOld($now)) {
            $this->send();
        }
        $this->checkAt = \min($now + self::FORK_CHECK_NS, $this->sentAt + $this->maxAgeNs);
    }

    private function isOld(int $now): bool
    {
        return $now - $this->sentAt >= $this->maxAgeNs;
    }

    private function send(): void
    {
        $this->startAnewAfterFork();
        $this->whileQuiet(function (): void {
            $batch = $this->buffer;
            $this->buffer = '';
            $this->sentAt = \hrtime(true);
            $this->transport->send($batch);
        });
    }

    /** Does one step of sending without PHP's warnings, which many programs turn into exceptions. */
    private function whileQuiet(\Closure $step): void
    {
        if ($this->isSending) {
            return;
        }
        // In this order, a signal that comes between the two waits for the end of the step.
        ProcessEnd::sendingBegins();
        $this->isSending = true;
        \set_error_handler(static fn (): bool => true);
        try {
            $step();
        } finally {
            \restore_error_handler();
            $this->isSending = false;
            ProcessEnd::sendingEnds();
        }
        $this->drops->tell();
    }

    /** What a child finds in the buffer is its parent's to send. */
    private function startAnewAfterFork(): void
    {
        $process = (int) \getmypid();
        if ($process === $this->process) {
            return;
        }
        $this->process = $process;
        $this->buffer = '';
        $this->sentAt = \hrtime(true);
        $this->isSending = false;
        $this->transport->startAnew();
        $this->drops->startAnew();
    }
}
