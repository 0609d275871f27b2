<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\DropReason;

/** Counts what is under way when a process ends, and sends what all its clients have buffered. */
final class ProcessEnd
{
    /** Kept free for the end of a script that has used up its memory; a batch and its copies fit in. */
    private const RESERVE_BYTES = 65_536;
    /** What only sending needs. Loaded early: at the end of a script there may be no memory to compile them. */
    private const SENDERS = [
        DropReason::class, Sockets::class, ExtensionSocket::class, StreamSocket::class, SocketError::class,
    ];

    /** @var \WeakMap<Outbox, true>|null a client that is gone leaves nothing behind */
    private static ?\WeakMap $outboxes = null;
    /** @var \WeakMap<Meter, true>|null */
    private static ?\WeakMap $meters = null;
    private static ?string $reserve = null;
    private static bool $isSigtermWatched = false;
    /** How many outboxes are sending: a signal that comes in between waits for them. */
    private static int $sending = 0;
    private static bool $isSigtermDue = false;

    public static function watch(Outbox $outbox, bool $onSigterm): void
    {
        if (self::$outboxes === null) {
            self::$outboxes = new \WeakMap();
            \array_map(\class_exists(...), self::SENDERS);
            self::$reserve = \str_repeat("\0", self::RESERVE_BYTES);
            \register_shutdown_function(self::endScript(...));
        }
        self::$outboxes[$outbox] = true;
        if ($onSigterm && !self::$isSigtermWatched && \PHP_SAPI === 'cli' && \function_exists('pcntl_signal')) {
            self::$isSigtermWatched = true;
            self::watchSigterm();
        }
    }

    /** The meter counts what is open before the clients send. */
    public static function countFirst(Meter $meter): void
    {
        self::$meters ??= new \WeakMap();
        self::$meters[$meter] = true;
    }

    public static function sendingBegins(): void
    {
        self::$sending++;
    }

    public static function sendingEnds(): void
    {
        self::$sending--;
        if (self::$isSigtermDue && self::$sending === 0) {
            self::endBySigterm();
        }
    }

    /**
     * After a fatal error shutdown functions run, but destructors do not.
     * Those that were registered later may count as well, so this runs once more behind them.
     */
    private static function endScript(): void
    {
        self::$reserve = null;
        self::endMeters(null);
        self::endOutboxes();
        \register_shutdown_function(self::endOutboxes(...));
    }

    private static function endMeters(?int $signal): void
    {
        foreach (self::$meters ?? [] as $meter => $_) {
            $meter->scriptEnds($signal);
        }
    }

    private static function endOutboxes(): void
    {
        foreach (self::$outboxes ?? [] as $outbox => $_) {
            $outbox->end();
        }
    }

    /** Only where SIGTERM would end the process at once: a program that has a handler ends in its own way. */
    private static function watchSigterm(): void
    {
        if (\pcntl_signal_get_handler(\SIGTERM) !== \SIG_DFL) {
            return;
        }
        \pcntl_async_signals(true);
        \pcntl_signal(\SIGTERM, self::endBySigterm(...), false);
    }

    private static function endBySigterm(): void
    {
        self::$isSigtermDue = self::$sending > 0;
        if (self::$isSigtermDue) {
            return;
        }
        self::endMeters(\SIGTERM);
        self::endOutboxes();
        // The process still ends by the signal, which is what its supervisor expects to see.
        \pcntl_signal(\SIGTERM, \SIG_DFL);
        if (\function_exists('posix_kill')) {
            \posix_kill((int) \getmypid(), \SIGTERM);
        } else {
            exit(128 + \SIGTERM);
        }
    }
}
