<?php

declare(strict_types=1);

/** A process that reads datagrams and throws them away, so that sending costs what it does with a server. */
final class Receiver
{
    public readonly int $port;
    /** @var resource */
    private $process;

    public function __construct()
    {
        $code = '$s = socket_create(AF_INET, SOCK_DGRAM, SOL_UDP); socket_bind($s, "127.0.0.1", 0);
            socket_getsockname($s, $host, $port); echo "$port\n"; while (true) { socket_recv($s, $b, 65536, 0); }';
        $process = \proc_open([\PHP_BINARY, '-r', $code], [1 => ['pipe', 'w']], $pipes);
        \assert($process !== false);
        $this->process = $process;
        $this->port = (int) \fgets($pipes[1]);
    }

    public function __destruct()
    {
        \proc_terminate($this->process, \SIGKILL);
    }
}
