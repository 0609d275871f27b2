<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\DropReason;

/** The bucket fields of a histogram's messages. */
final class Buckets
{
    private const FIELDS = [
        'buckets', 'bucket_custom', 'bucket_width', 'bucket_start', 'bucket_factor', 'bucket_min', 'bucket_max',
    ];

    /**
     * Checks what was declared. The server keeps the bounds of a name's first message for good,
     * so a field with a slip in its name must not reach it as a histogram with the default bounds.
     *
     * @param array<array-key, mixed> $declared a list of upper bounds, or the message's own fields
     * @return array<string, int|float|list<int|float>>
     * @throws Refusal
     */
    public static function fields(array $declared): array
    {
        if ($declared !== [] && \array_is_list($declared)) {
            $declared = ['bucket_custom' => $declared];
        }
        $fields = [];
        foreach ($declared as $field => $value) {
            if (!\in_array($field, self::FIELDS, true)) {
                throw new Refusal(
                    DropReason::BucketParams,
                    "there is no bucket field \"$field\"; there are " . \implode(', ', self::FIELDS),
                );
            }
            $fields[$field] = $field === 'bucket_custom' ? self::bounds($value) : self::number($field, $value);
        }
        return $fields;
    }

    /**
     * @return list<int|float>
     * @throws Refusal
     */
    private static function bounds(mixed $list): array
    {
        if (!\is_array($list)) {
            throw new Refusal(DropReason::BucketParams, 'bucket_custom is a list of numbers');
        }
        // Every histogram has the bucket +Inf anyway, and JSON has no such number.
        if ($list !== [] && $list[\array_key_last($list)] === \INF) {
            \array_pop($list);
        }
        $bounds = [];
        foreach ($list as $bound) {
            $bound = self::number('bucket_custom', $bound);
            if ($bounds !== [] && $bound <= $bounds[\count($bounds) - 1]) {
                throw new Refusal(DropReason::BucketParams, "the bounds of buckets increase, but $bound does not");
            }
            $bounds[] = $bound;
        }
        if ($bounds === []) {
            throw new Refusal(DropReason::BucketParams, 'bucket_custom is empty');
        }
        return $bounds;
    }

    /** @throws Refusal */
    private static function number(string $field, mixed $value): int|float
    {
        try {
            return Text::finite($value);
        } catch (Refusal $refusal) {
            throw new Refusal(DropReason::BucketParams, "$field: " . $refusal->getMessage());
        }
    }
}
