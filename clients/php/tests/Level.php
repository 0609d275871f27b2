<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

enum Level: int
{
    case Low = 1;
    case High = 9;
}
