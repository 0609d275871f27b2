<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

/** The `op` of a message. */
enum Op: string
{
    case Inc = 'inc';
    case Set = 'set';
    case Add = 'add';
    case Obs = 'obs';
    case Event = 'event';
    case Index = 'index';
    case Raw = 'raw';
}
