<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\Counter;
use MetricsServer\Histogram;
use MetricsServer\MetricsInterface;

/**
 * Counts and times one kind of work of a framework: requests, commands or jobs.
 *
 * What has begun is counted once, also when `exit`, a fatal error or SIGTERM ends the script in between.
 */
final class Meter
{
    private readonly Counter $counter;
    private readonly Histogram $seconds;
    /** @var array<int, Work> by the number of the object that was begun with, which Work keeps */
    private array $open = [];

    /**
     * @param string $name `${name}s_total` and `${name}_duration_seconds` are the metrics
     * @param list<string> $labels what the work is, for both metrics
     * @param string $resultLabel how it ended, for the counter alone: a histogram has many series for each
     * @param array<array-key, mixed> $buckets
     * @param \Closure(?int): string $resultAtScriptEnd takes the signal that ends the script, if one does
     */
    public function __construct(
        MetricsInterface $metrics,
        string $name,
        string $what,
        array $labels,
        string $resultLabel,
        array $buckets,
        private readonly \Closure $resultAtScriptEnd,
    ) {
        $this->counter = $metrics->counter("{$name}s_total", "$what that have ended.", [...$labels, $resultLabel]);
        $this->seconds = $metrics->histogram("{$name}_duration_seconds", "Duration of $what.", $labels, $buckets);
        ProcessEnd::countFirst($this);
    }

    /** @param \Closure(): list<string> $labels in their order, as known at the end */
    public function begin(object $key, \Closure $labels): void
    {
        $this->open[\spl_object_id($key)] = new Work(
            $key,
            $labels,
            $this->seconds->startTimer(),
            (int) \getmypid(),
        );
    }

    /** What was not begun, or has ended before, is not counted. */
    public function end(object $key, string $result): void
    {
        $work = $this->open[\spl_object_id($key)] ?? null;
        if ($work === null) {
            return;
        }
        unset($this->open[\spl_object_id($key)]);
        if ($work->process !== \getmypid()) {
            // A fork's child finds here what its parent will count.
            return;
        }
        $labels = ($work->labels)();
        $work->timer->observe($labels);
        $this->counter->inc([...$labels, $result]);
    }

    /** Counts what has begun and cannot end any more. */
    public function endAll(string $result): void
    {
        foreach ($this->open as $work) {
            $this->end($work->key, $result);
        }
    }

    public function scriptEnds(?int $signal): void
    {
        if ($this->open !== []) {
            $this->endAll(($this->resultAtScriptEnd)($signal));
        }
    }
}
