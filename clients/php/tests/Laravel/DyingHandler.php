<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Laravel;

use Illuminate\Foundation\Exceptions\Handler;

/** A handler as broken as the application: no exception gets an answer. */
final class DyingHandler extends Handler
{
    public function render($request, \Throwable $e): never
    {
        throw new \LogicException('no view, no answer');
    }
}
