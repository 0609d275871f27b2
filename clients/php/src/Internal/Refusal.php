<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\DropReason;

/** Why one message cannot be sent. It never leaves the library: Drops counts it. */
final class Refusal extends \Exception
{
    public function __construct(public readonly DropReason $reason, string $detail)
    {
        parent::__construct($detail);
    }

    /** The same, with the name of the metric in front. */
    public function of(string $metric): self
    {
        return new self($this->reason, "$metric: {$this->getMessage()}");
    }
}
