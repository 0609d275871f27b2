<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

enum Status: string
{
    case Paid = 'paid';
    case Open = 'open';
}
