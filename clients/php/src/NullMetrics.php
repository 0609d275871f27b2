<?php

declare(strict_types=1);

namespace MetricsServer;

use MetricsServer\Internal\Drops;
use MetricsServer\Internal\NullSink;
use MetricsServer\Internal\Recorder;
use MetricsServer\Internal\Records;

/** Sends nothing: for programs that run where nothing is measured. */
final class NullMetrics implements MetricsInterface
{
    use Records;

    public function __construct()
    {
        $this->recorder = new Recorder(new NullSink(), new Drops(null, false), '', []);
    }
}
