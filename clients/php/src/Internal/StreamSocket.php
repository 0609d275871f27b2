<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

/** A socket of PHP's streams, for a PHP without ext-sockets. */
final class StreamSocket implements Socket
{
    /** @param resource $stream */
    private function __construct(private $stream, private readonly string $peer)
    {
    }

    /** @throws SocketError */
    public static function connect(Address $address): self
    {
        $stream = \stream_socket_client($address->text(), $errno, $text, 0.0);
        if ($stream === false) {
            throw new SocketError($errno, "cannot connect to {$address->text()}");
        }
        \stream_set_blocking($stream, false);
        return new self($stream, $address->text());
    }

    public function write(string $bytes): int
    {
        // Streams tell the error number in the text of a notice, and nowhere else.
        $notice = '';
        \set_error_handler(static function (int $level, string $text) use (&$notice): bool {
            $notice = $text;
            return true;
        });
        try {
            $taken = \fwrite($this->stream, $bytes);
        } finally {
            \restore_error_handler();
        }
        if ($taken !== false) {
            return $taken;
        }
        $errno = \preg_match('/errno=(\d+)/', $notice, $parts) === 1 ? (int) $parts[1] : SocketError::EPIPE;
        throw new SocketError($errno, "cannot send to {$this->peer}");
    }

    public function checkEarlier(): void
    {
        // Nothing ever comes in, so a read finds either nothing or the error, which streams take for the end.
        \fread($this->stream, 1);
        if (\stream_get_meta_data($this->stream)['eof']) {
            throw new SocketError(SocketError::ECONNREFUSED, "cannot send to {$this->peer}");
        }
    }

    public function waitWritable(int $microseconds): bool
    {
        $read = $except = null;
        $write = [$this->stream];
        return (int) \stream_select($read, $write, $except, 0, $microseconds) > 0;
    }
}
