<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

/** What a scrape gives. */
final class Page
{
    public function __construct(public readonly string $text)
    {
    }

    /** The value of a series, written as on the page. */
    public function value(string $series): ?float
    {
        foreach (\explode("\n", $this->text) as $line) {
            if (\str_starts_with($line, "$series ")) {
                return (float) \substr($line, \strlen($series) + 1);
            }
        }
        return null;
    }

    /** The sum of all series of a name. */
    public function sum(string $name): float
    {
        \preg_match_all('/^' . \preg_quote($name, '/') . '(?:\{.*\})? (\S+)$/m', $this->text, $lines);
        return \array_sum(\array_map(\floatval(...), $lines[1]));
    }

    public function accepted(): int
    {
        return (int) $this->sum('metrics_server_messages_accepted_total');
    }

    public function rejected(?string $reason = null): int
    {
        return (int) ($reason === null
            ? $this->sum('metrics_server_messages_rejected_total')
            : $this->value("metrics_server_messages_rejected_total{reason=\"$reason\"}") ?? 0);
    }
}
