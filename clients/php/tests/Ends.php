<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

/** The ways in which a script ends before its end. */
final class Ends
{
    public static function by(string $way): void
    {
        match ($way) {
            'exception' => throw new \DomainException('on purpose'),
            'error' => no_such_function(),
            'exit' => exit(1),
            'memory' => self::useUpMemory(),
            'time-out' => self::takeTooLong(),
            'fatal' => eval('class A { public function f(); }'),
        };
    }

    private static function useUpMemory(): never
    {
        for ($all = [];; $all[] = [\count($all)]) {
        }
    }

    private static function takeTooLong(): never
    {
        \set_time_limit(1);
        while (true) {
            \hrtime(true);
        }
    }
}
