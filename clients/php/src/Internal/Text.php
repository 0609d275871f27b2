<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\DropReason;

/** Turns what PHP programs have at hand into the texts of a message. */
final class Text
{
    private const JSON_FLAGS = \JSON_INVALID_UTF8_SUBSTITUTE | \JSON_UNESCAPED_SLASHES | \JSON_UNESCAPED_UNICODE
        | \JSON_THROW_ON_ERROR;

    /**
     * A finite number as JSON. Null is 0, as for the server; booleans are 1 and 0.
     *
     * @throws Refusal
     */
    public static function number(mixed $value): string
    {
        return (string) \json_encode(self::finite($value));
    }

    /** @throws Refusal */
    public static function finite(mixed $value): int|float
    {
        if ($value instanceof \BackedEnum) {
            $value = $value->value;
        } elseif ($value instanceof \Stringable) {
            $value = self::ofStringable($value, DropReason::Value);
        }
        if (\is_string($value) && \is_numeric($value)) {
            $value += 0;
        }
        return match (true) {
            \is_int($value), \is_float($value) && \is_finite($value) => $value,
            $value === null, \is_bool($value) => (int) $value,
            default => throw new Refusal(DropReason::Value, self::show($value) . ' is not a finite number'),
        };
    }

    /**
     * The text of a label.
     *
     * @throws Refusal
     */
    public static function label(string $name, mixed $value): string
    {
        return match (true) {
            \is_string($value) => $value,
            \is_bool($value) => $value ? 'true' : 'false',
            $value === null, \is_int($value), \is_float($value) => (string) $value,
            $value instanceof \BackedEnum => (string) $value->value,
            $value instanceof \UnitEnum => $value->name,
            $value instanceof \Stringable => self::ofStringable($value, DropReason::LabelValue),
            default => throw new Refusal(
                DropReason::LabelValue,
                "label \"$name\" is " . self::show($value) . ', which has no text',
            ),
        };
    }

    /**
     * @param array<string, mixed> $fields
     * @throws \JsonException
     */
    public static function json(array $fields): string
    {
        return \json_encode($fields, self::JSON_FLAGS);
    }

    /** How a value is named in a log. */
    public static function show(mixed $value): string
    {
        return match (true) {
            \is_string($value) => '"' . \substr($value, 0, 80) . '"',
            \is_float($value) && \is_nan($value) => 'NaN',
            \is_float($value) && \is_infinite($value) => 'INF',
            \is_scalar($value) => (string) $value,
            default => 'of type ' . \get_debug_type($value),
        };
    }

    /** @throws Refusal */
    private static function ofStringable(\Stringable $value, DropReason $reason): string
    {
        try {
            return (string) $value;
        } catch (\Throwable $error) {
            throw new Refusal($reason, 'the text of ' . \get_debug_type($value) . ' failed: ' . $error->getMessage());
        }
    }
}
