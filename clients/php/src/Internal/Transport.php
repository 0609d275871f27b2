<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

/** Brings batches to a server, and counts the messages that it cannot bring. */
interface Transport
{
    /** @param string $batch whole messages, each with its newline */
    public function send(string $batch): void;

    /** Waits for what could not be sent at once, as long as the budget allows. */
    public function settle(): void;

    /** Counts as dropped what is still there. */
    public function abandon(): void;

    /** Makes the budget for waiting full again. */
    public function refill(): void;

    /** After a fork: the socket and what waits belong to the parent. */
    public function startAnew(): void;
}
