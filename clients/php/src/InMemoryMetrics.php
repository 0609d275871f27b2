<?php

declare(strict_types=1);

namespace MetricsServer;

use MetricsServer\Internal\Drops;
use MetricsServer\Internal\MemorySink;
use MetricsServer\Internal\Op;
use MetricsServer\Internal\Recorder;
use MetricsServer\Internal\Records;
use Psr\Log\LoggerInterface;

/**
 * Keeps what it would send, for a program's own tests. It refuses what Metrics refuses.
 *
 * The assertions are PHPUnit's where PHPUnit is loaded, and throw an AssertionError elsewhere.
 */
final class InMemoryMetrics implements MetricsInterface
{
    use Records;

    private readonly MemorySink $sink;

    /** @param array<string, mixed> $labels */
    public function __construct(
        string $prefix = '',
        array $labels = [],
        ?LoggerInterface $logger = null,
        bool $debug = false,
    ) {
        $this->sink = new MemorySink();
        $this->recorder = new Recorder($this->sink, new Drops($logger, $debug), $prefix, $labels);
    }

    /** @return list<array<string, mixed>> all messages, with the fields that the server gets */
    public function messages(): array
    {
        return $this->sink->messages;
    }

    /**
     * The sum of a counter.
     *
     * @param array<string, string> $labels those that the series has; it may have others
     */
    public function counted(string $name, array $labels = []): int|float
    {
        return \array_sum($this->values(Op::Inc, $name, $labels));
    }

    /**
     * What a gauge was set to last and what was added since, or null where it was neither set nor added to.
     *
     * @param array<string, string> $labels those that the series has; it may have others, and where several series
     *     have these, the one that was sent last counts
     */
    public function gaugeValue(string $name, array $labels = []): int|float|null
    {
        $values = [];
        $value = null;
        foreach ($this->sink->messages as $message) {
            $op = Op::from($message['op']);
            if (!\in_array($op, [Op::Set, Op::Add], true) || !self::isOf($message, $name, $labels)) {
                continue;
            }
            $series = Internal\Text::json($message['labels'] ?? []);
            $before = $op === Op::Add ? $values[$series] ?? 0 : 0;
            $value = $values[$series] = $before + $message['value'];
        }
        return $value;
    }

    /**
     * What was observed, in order.
     *
     * @param array<string, string> $labels those that the series has; it may have others
     * @return list<int|float>
     */
    public function observed(string $name, array $labels = []): array
    {
        return $this->values(Op::Obs, $name, $labels);
    }

    /** @param array<string, string> $labels */
    public function assertCounted(string $name, int|float $expected, array $labels = []): void
    {
        $this->check($expected == $this->counted($name, $labels), "$name counts $expected");
    }

    /** @param array<string, string> $labels */
    public function assertGauge(string $name, int|float $expected, array $labels = []): void
    {
        $value = $this->gaugeValue($name, $labels);
        $this->check($value !== null && $expected == $value, "$name is $expected");
    }

    /** @param array<string, string> $labels */
    public function assertObserved(string $name, int $times, array $labels = []): void
    {
        $this->check($times === \count($this->observed($name, $labels)), "$name was observed $times times");
    }

    /** @param array<string, string> $labels */
    public function assertEvent(string $name, array $labels = []): void
    {
        $this->check($this->values(Op::Event, $name, $labels) !== [], "there is an event $name");
    }

    public function assertNothingSent(): void
    {
        $this->check($this->sink->messages === [], 'nothing was sent');
    }

    public function assertNothingDropped(): void
    {
        $this->check($this->dropped() === 0, 'nothing was dropped: ' . \json_encode($this->droppedByReason()));
    }

    /**
     * @param array<string, string> $labels
     * @return list<int|float>
     */
    private function values(Op $op, string $name, array $labels): array
    {
        $values = [];
        foreach ($this->sink->messages as $message) {
            if ($message['op'] === $op->value && self::isOf($message, $name, $labels)) {
                $values[] = $message['value'];
            }
        }
        return $values;
    }

    /**
     * @param array<string, mixed> $message
     * @param array<string, string> $labels
     */
    private static function isOf(array $message, string $name, array $labels): bool
    {
        $hasLabels = \array_intersect_assoc($labels, $message['labels'] ?? []) === $labels;
        return $message['name'] === $name && $hasLabels;
    }

    private function check(bool $holds, string $claim): void
    {
        $sent = \implode("\n", \array_map(Internal\Text::json(...), $this->sink->messages));
        if (\class_exists(\PHPUnit\Framework\Assert::class)) {
            \PHPUnit\Framework\Assert::assertTrue($holds, "$claim, but these were sent:\n$sent");
        } elseif (!$holds) {
            throw new \AssertionError("not so: $claim; these were sent:\n$sent");
        }
    }
}
