<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

/** Names of classes as values of labels: there are as many as the program has. */
final class ClassName
{
    /** An anonymous class has its file and a number in its name, behind a NUL. */
    public static function of(object $object): string
    {
        return \explode("\0", $object::class, 2)[0];
    }
}
