<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\DropReason;

/**
 * One metric: its messages up to the value, each series' built once.
 *
 * The value comes last and the labels are sorted, so that all messages of one series begin with the same bytes,
 * which the server recognises faster than it parses.
 */
final class Family
{
    /** Series whose bytes are kept; past it the cache starts anew, so that it cannot grow with the labels' values. */
    private const CACHED_SERIES = 1000;
    private const NAME = '/^[a-zA-Z_:][a-zA-Z0-9_:]*$/D';
    private const LABEL_NAME = '/^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/D';

    /** @var array<int, array<string, string>> bytes by the number of labels and their key */
    private array $heads = [];
    private int $cached = 0;
    /** @var array<string, mixed>|null the fields of every message; null where there can be none */
    private ?array $fields = null;
    private ?Refusal $refusal = null;

    /**
     * @param list<string>|null $labelNames those of every series; null where each call brings its own
     * @param array<array-key, mixed> $buckets
     * @param array<string, string> $rowFields those of a row for another system
     */
    public function __construct(
        private readonly Op $op,
        private readonly string $name,
        private readonly string $help,
        private readonly ?array $labelNames,
        private readonly array $buckets,
        private readonly array $rowFields,
        private readonly DefaultLabels $defaultLabels,
        private readonly Sink $sink,
        private readonly Drops $drops,
    ) {
        try {
            $this->fields = $this->checkedFields();
        } catch (Refusal $refusal) {
            $this->refusal = $refusal;
        }
    }

    /**
     * Whether it was declared in the same words.
     *
     * @param list<string>|null $labelNames
     * @param array<array-key, mixed> $buckets
     */
    public function is(string $help, ?array $labelNames, array $buckets): bool
    {
        return $this->help === $help && $this->labelNames === $labelNames && $this->buckets === $buckets;
    }

    /** @param array<array-key, mixed> $labels */
    public function recordOne(array $labels): void
    {
        $head = $this->head($labels);
        if ($head !== null) {
            $this->sink->append($head . "1}\n");
        }
    }

    /** @param array<array-key, mixed> $labels */
    public function record(mixed $value, array $labels): void
    {
        $head = $this->head($labels);
        if ($head === null) {
            return;
        }
        if (\is_float($value) && \is_finite($value)) {
            $number = \json_encode($value);
        } elseif (\is_int($value)) {
            $number = $value;
        } else {
            try {
                $number = Text::number($value);
            } catch (Refusal $refusal) {
                $this->drops->refuse($refusal->of($this->name));
                return;
            }
        }
        if ($this->op === Op::Inc && $number < 0) {
            $this->drops->refuse(new Refusal(DropReason::NegativeIncrement, "{$this->name}: $number is below 0"));
            return;
        }
        $this->sink->append("$head$number}\n");
    }

    /**
     * A series' bytes up to the value, or null where the call was refused.
     *
     * The keys of series cannot collide: within one number of labels, those that are kept hold no NUL but the
     * separators, so a text with a NUL of its own makes a key with more of them.
     *
     * @param array<array-key, mixed> $labels
     */
    private function head(array $labels): ?string
    {
        $key = '';
        if ($this->labelNames === null) {
            foreach ($labels as $name => $value) {
                if (!\is_string($value) && !\is_int($value)) {
                    return $this->resolve($labels);
                }
                $key .= "$name\0$value\0";
            }
        } else {
            foreach ($this->labelNames as $position => $name) {
                $value = $labels[$name] ?? $labels[$position] ?? null;
                if (!\is_string($value) && !\is_int($value)) {
                    return $this->resolve($labels);
                }
                $key .= "$value\0";
            }
        }
        return $this->heads[\count($labels)][$key] ?? $this->resolve($labels);
    }

    /** @param array<array-key, mixed> $labels */
    private function resolve(array $labels): ?string
    {
        if ($this->refusal !== null) {
            $this->drops->refuse($this->refusal);
            return null;
        }
        try {
            $texts = $this->labelNames === null ? $this->freeTexts($labels) : $this->declaredTexts($labels);
        } catch (Refusal $refusal) {
            $this->drops->refuse($refusal->of($this->name));
            return null;
        }
        $key = '';
        $isPlain = true;
        foreach ($texts as $name => $text) {
            $key .= $this->labelNames === null ? "$name\0$text\0" : "$text\0";
            $isPlain = $isPlain && !\str_contains($text, "\0");
        }
        $head = $this->heads[\count($texts)][$key] ?? null;
        if ($head === null || !$isPlain) {
            $head = $this->build($texts);
            if ($isPlain) {
                $this->keep(\count($texts), $key, $head);
            }
        }
        return $head;
    }

    private function keep(int $labelCount, string $key, string $head): void
    {
        if ($this->cached >= self::CACHED_SERIES) {
            $this->heads = [];
            $this->cached = 0;
        }
        $this->heads[$labelCount][$key] = $head;
        $this->cached++;
    }

    /** @param array<string, string> $texts */
    private function build(array $texts): string
    {
        $labels = $texts + $this->defaultLabels->texts();
        \ksort($labels, \SORT_STRING);
        $fields = $this->fields ?? [];
        if ($labels === []) {
            unset($fields['labels']);
        } else {
            $fields['labels'] = $labels;
        }
        return \substr(Text::json($fields), 0, -1) . ',"value":';
    }

    /**
     * @param array<array-key, mixed> $labels
     * @return array<string, string>
     * @throws Refusal
     */
    private function freeTexts(array $labels): array
    {
        $texts = [];
        foreach ($labels as $name => $value) {
            $name = (string) $name;
            $this->checkLabelName($name);
            $texts[$name] = Text::label($name, $value);
        }
        return $texts;
    }

    /**
     * @param array<array-key, mixed> $labels by name, or in the order in which they were declared
     * @return array<string, string>
     * @throws Refusal
     */
    private function declaredTexts(array $labels): array
    {
        $texts = [];
        foreach ($this->labelNames ?? [] as $position => $name) {
            $at = \array_key_exists($name, $labels) ? $name : $position;
            if (!\array_key_exists($at, $labels)) {
                throw new Refusal(DropReason::Labels, $this->otherLabels($labels));
            }
            $texts[$name] = Text::label($name, $labels[$at]);
        }
        if (\count($labels) !== \count($texts)) {
            throw new Refusal(DropReason::Labels, $this->otherLabels($labels));
        }
        return $texts;
    }

    /** @param array<array-key, mixed> $labels */
    private function otherLabels(array $labels): string
    {
        return 'declared with the labels [' . \implode(', ', $this->labelNames ?? [])
            . '], called with [' . \implode(', ', \array_keys($labels)) . ']';
    }

    /**
     * @return array<string, mixed>
     * @throws Refusal
     */
    private function checkedFields(): array
    {
        if (\preg_match(self::NAME, $this->name) !== 1) {
            throw new Refusal(DropReason::Name, Text::show($this->name) . ' is not a name of a metric');
        }
        try {
            foreach ($this->labelNames ?? [] as $name) {
                $this->checkLabelName($name);
            }
            foreach ($this->defaultLabels->texts() as $name => $_) {
                $this->checkLabelName((string) $name);
            }
            $fields = ['op' => $this->op->value, 'name' => $this->name, 'labels' => []];
            if ($this->help !== '') {
                $fields['help'] = $this->help;
            }
            return $fields + Buckets::fields($this->buckets) + $this->rowFields;
        } catch (Refusal $refusal) {
            throw $refusal->of($this->name);
        }
    }

    /** @throws Refusal */
    private function checkLabelName(string $name): void
    {
        if (\preg_match(self::LABEL_NAME, $name) !== 1) {
            throw new Refusal(DropReason::LabelName, Text::show($name) . ' is not a name of a label');
        }
        if ($name === 'le' && $this->op === Op::Obs) {
            throw new Refusal(DropReason::ReservedLabel, 'the label "le" belongs to the buckets');
        }
    }
}
