<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

/** Whether an error that nobody could catch has ended the script. */
final class Fatal
{
    private const TYPES = \E_ERROR | \E_PARSE | \E_CORE_ERROR | \E_COMPILE_ERROR | \E_USER_ERROR | \E_RECOVERABLE_ERROR;

    public static function hasEndedTheScript(): bool
    {
        return ((\error_get_last()['type'] ?? 0) & self::TYPES) !== 0;
    }
}
