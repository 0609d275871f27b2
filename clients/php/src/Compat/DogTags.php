<?php

declare(strict_types=1);

namespace MetricsServer\Compat;

/** Turns names and tags of StatsD into those of Prometheus. */
final class DogTags
{
    /** Dots, dashes and whatever else Prometheus does not take become underscores. */
    public static function name(string $stat): string
    {
        $name = (string) \preg_replace('/[^a-zA-Z0-9_:]/', '_', $stat);
        return \preg_match('/^\d/', $name) === 1 ? "_$name" : $name;
    }

    /**
     * @param array<array-key, mixed>|string|null $tags `['env' => 'test']`, `['env:test']` or `'env:test,urgent'`
     * @return array<string, mixed>
     */
    public static function labels(array|string|null $tags): array
    {
        $tags = \is_string($tags) ? \explode(',', $tags) : $tags ?? [];
        $labels = [];
        foreach ($tags as $name => $value) {
            if (\is_int($name) && \is_string($value)) {
                [$name, $value] = \explode(':', $value, 2) + [1 => null];
            }
            if ($name !== '') {
                $labels[\str_replace(':', '_', self::name((string) $name))] = $value ?? 'true';
            }
        }
        return $labels;
    }
}
