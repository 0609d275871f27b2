<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

/** Where the messages of a client go. */
interface Sink
{
    /** @param string $line one message, a JSON object, and a newline */
    public function append(string $line): void;

    /** Sends what is buffered. */
    public function flush(): void;

    /** Sends what is buffered for long enough; a new request of a worker may wait anew. */
    public function tick(): void;
}
