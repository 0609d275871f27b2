<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

enum Shop
{
    case De;
    case At;
}
