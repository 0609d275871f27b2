<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

/** What all metrics of a client have in common: prefix, default labels, where they go and who counts refusals. */
final class Recorder
{
    /** Names whose families are kept; past it they are built anew. */
    private const CACHED_FAMILIES = 1000;

    /** @var array<string, Family> declared ones and those of direct calls, by what they are called with */
    private array $families = [];
    private readonly DefaultLabels $defaultLabels;

    /** @param array<array-key, mixed> $defaultLabels */
    public function __construct(
        public readonly Sink $sink,
        public readonly Drops $drops,
        private readonly string $prefix,
        array $defaultLabels,
    ) {
        $this->defaultLabels = new DefaultLabels($defaultLabels);
    }

    /**
     * The metric of an instrument.
     *
     * @param array<array-key, mixed> $labelNames
     * @param array<array-key, mixed> $buckets
     */
    public function declared(Op $op, string $name, string $help, array $labelNames, array $buckets): Family
    {
        $names = [];
        foreach ($labelNames as $labelName) {
            // What has no text becomes one that is no name of a label, and is refused at the first call.
            $names[] = \is_string($labelName) ? $labelName : Text::show($labelName);
        }
        return $this->family("$op->value declared $name", $op, $name, $help, $names, $buckets);
    }

    /**
     * The metric of a direct call, which brings labels of its own.
     *
     * @param array<array-key, mixed> $buckets
     */
    public function direct(Op $op, string $name, string $help = '', array $buckets = []): Family
    {
        return $this->family("$op->value $name", $op, $name, $help, null, $buckets);
    }

    /**
     * A row for another system. Rows are rarely alike, so nothing of them is kept.
     *
     * @param array<array-key, mixed> $labels
     */
    public function row(Op $op, string $name, array $labels, mixed $value, mixed $timestamp, string $index = ''): void
    {
        try {
            $fields = $index === '' ? [] : ['index' => $index];
            if ($timestamp !== null) {
                $fields['timestamp'] = Timestamp::text($timestamp);
            }
        } catch (Refusal $refusal) {
            $this->drops->refuse($refusal->of($this->prefix . $name));
            return;
        }
        $this->make($op, $name, '', null, [], $fields)->record($value, $labels);
    }

    /**
     * @param list<string>|null $labelNames
     * @param array<array-key, mixed> $buckets
     */
    private function family(
        string $key,
        Op $op,
        string $name,
        string $help,
        ?array $labelNames,
        array $buckets,
    ): Family {
        $family = $this->families[$key] ?? null;
        if ($family !== null && $family->is($help, $labelNames, $buckets)) {
            return $family;
        }
        if (\count($this->families) >= self::CACHED_FAMILIES) {
            $this->families = [];
        }
        return $this->families[$key] = $this->make($op, $name, $help, $labelNames, $buckets);
    }

    /**
     * @param list<string>|null $labelNames
     * @param array<array-key, mixed> $buckets
     * @param array<string, string> $rowFields
     */
    private function make(
        Op $op,
        string $name,
        string $help,
        ?array $labelNames,
        array $buckets,
        array $rowFields = [],
    ): Family {
        return new Family(
            $op,
            $this->prefix . $name,
            $help,
            $labelNames,
            $buckets,
            $rowFields,
            $this->defaultLabels,
            $this->sink,
            $this->drops,
        );
    }
}
