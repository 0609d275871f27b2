<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\Counter;
use MetricsServer\DropReason;
use MetricsServer\Gauge;
use MetricsServer\Histogram;

/** What all clients do, wherever their messages go. The methods are described in MetricsInterface. */
trait Records
{
    private readonly Recorder $recorder;

    public function counter(string $name, string $help = '', array $labels = []): Counter
    {
        return new Counter($this->recorder->declared(Op::Inc, $name, $help, $labels, []));
    }

    public function gauge(string $name, string $help = '', array $labels = []): Gauge
    {
        return new Gauge(
            $this->recorder->declared(Op::Set, $name, $help, $labels, []),
            $this->recorder->declared(Op::Add, $name, $help, $labels, []),
        );
    }

    public function histogram(
        string $name,
        string $help = '',
        array $labels = [],
        array $buckets = Histogram::SECONDS,
    ): Histogram {
        return new Histogram($this->recorder->declared(Op::Obs, $name, $help, $labels, $buckets));
    }

    public function inc(string $name, array $labels = [], mixed $by = 1, string $help = ''): void
    {
        $this->recorder->direct(Op::Inc, $name, $help)->record($by, $labels);
    }

    public function set(string $name, mixed $value, array $labels = [], string $help = ''): void
    {
        $this->recorder->direct(Op::Set, $name, $help)->record($value, $labels);
    }

    public function add(string $name, mixed $by, array $labels = [], string $help = ''): void
    {
        $this->recorder->direct(Op::Add, $name, $help)->record($by, $labels);
    }

    public function observe(
        string $name,
        mixed $value,
        array $labels = [],
        array $buckets = [],
        string $help = '',
    ): void {
        $this->recorder->direct(Op::Obs, $name, $help, $buckets)->record($value, $labels);
    }

    public function event(string $name, array $labels = [], mixed $value = 0, mixed $timestamp = null): void
    {
        $this->recorder->row(Op::Event, $name, $labels, $value, $timestamp);
    }

    public function index(
        string $name,
        array $labels = [],
        mixed $value = 0,
        string $index = '',
        mixed $timestamp = null,
    ): void {
        $this->recorder->row(Op::Index, $name, $labels, $value, $timestamp, $index);
    }

    public function raw(string $name, array $labels = [], mixed $value = 0, mixed $timestamp = null): void
    {
        $this->recorder->row(Op::Raw, $name, $labels, $value, $timestamp);
    }

    public function flush(): void
    {
        $this->recorder->sink->flush();
    }

    public function tick(): void
    {
        $this->recorder->sink->tick();
    }

    public function refuse(DropReason $reason, string $detail): void
    {
        $this->recorder->drops->refuse(new Refusal($reason, $detail));
    }

    public function dropped(?DropReason $reason = null): int
    {
        return $this->recorder->drops->total($reason);
    }

    public function droppedByReason(): array
    {
        return $this->recorder->drops->byReason();
    }
}
