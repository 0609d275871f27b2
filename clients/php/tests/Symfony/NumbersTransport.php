<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Symfony;

use Symfony\Component\Messenger\Envelope;
use Symfony\Component\Messenger\Transport\TransportInterface;

/** Gives 1, 2, 3, ... and what is sent back to be tried again. It keeps nothing, unlike Symfony's own in-memory one. */
final class NumbersTransport implements TransportInterface
{
    private int $number = 0;
    /** @var list<Envelope> */
    private array $again = [];

    /** @return iterable<Envelope> */
    public function get(): iterable
    {
        $envelope = \array_shift($this->again) ?? new Envelope(new Number(++$this->number));
        if ($this->number % 10_000 === 0 && $this->again === []) {
            \preg_match('/^VmRSS:\s+(\d+) kB$/m', (string) \file_get_contents('/proc/self/status'), $resident);
            echo "$this->number {$resident[1]}\n";
        }
        return [$envelope];
    }

    public function ack(Envelope $envelope): void
    {
    }

    public function reject(Envelope $envelope): void
    {
    }

    public function send(Envelope $envelope): Envelope
    {
        return $this->again[] = $envelope;
    }
}
