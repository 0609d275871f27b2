<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

/** A directory of a test's own, which goes with the object. */
final class Directory
{
    public readonly string $path;

    public function __construct()
    {
        $this->path = \sys_get_temp_dir() . '/metrics-client-' . \bin2hex(\random_bytes(6));
        \mkdir($this->path);
    }

    public function __destruct()
    {
        $files = new \RecursiveIteratorIterator(
            new \RecursiveDirectoryIterator($this->path, \FilesystemIterator::SKIP_DOTS),
            \RecursiveIteratorIterator::CHILD_FIRST,
        );
        foreach ($files as $file) {
            $file->isDir() && !$file->isLink() ? \rmdir((string) $file) : \unlink((string) $file);
        }
        \rmdir($this->path);
    }
}
