<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Laravel;

use Illuminate\Bus\BusServiceProvider;
use Illuminate\Cache\CacheServiceProvider;
use Illuminate\Database\DatabaseServiceProvider;
use Illuminate\Filesystem\FilesystemServiceProvider;
use Illuminate\Foundation\Providers\ConsoleSupportServiceProvider;
use Illuminate\Foundation\Providers\FoundationServiceProvider;
use Illuminate\Pipeline\PipelineServiceProvider;
use Illuminate\Queue\QueueServiceProvider;
use Illuminate\Translation\TranslationServiceProvider;
use Illuminate\View\ViewServiceProvider;
use MetricsServer\Tests\Directory;

/** The files that a Laravel project has, and what Composer has noted of this package. */
final class Project
{
    private const PROVIDERS = [
        BusServiceProvider::class, CacheServiceProvider::class, ConsoleSupportServiceProvider::class,
        DatabaseServiceProvider::class, FilesystemServiceProvider::class, FoundationServiceProvider::class,
        PipelineServiceProvider::class, QueueServiceProvider::class, TranslationServiceProvider::class,
        ViewServiceProvider::class, AppServiceProvider::class,
    ];

    public readonly Directory $directory;

    /** @param array<string, mixed> $metrics what config/metrics-server.php has of its own */
    public function __construct(array $metrics)
    {
        $this->directory = new Directory();
        $this->write('vendor/composer/installed.json', \json_encode(['packages' => [
            \json_decode((string) \file_get_contents(__DIR__ . '/../../composer.json'), true),
        ]], \JSON_THROW_ON_ERROR));
        foreach (['bootstrap/cache', 'storage/logs', 'storage/framework/views', 'storage/framework/cache'] as $path) {
            \mkdir("{$this->directory->path}/$path", 0777, true);
        }
        $this->write('database.sqlite', '');
        foreach ($this->configuration() + ['metrics-server' => $metrics] as $name => $values) {
            $this->write("config/$name.php", '<?php return ' . \var_export($values, true) . ';');
        }
    }

    /**
     * Runs a command of Artisan's and returns its exit code.
     *
     * @param list<string> $command
     */
    public function artisan(array $command): int
    {
        $php = [\PHP_BINARY, '-d', 'memory_limit=64M', '-d', 'display_errors=0', __DIR__ . '/artisan.php'];
        $log = ['file', "{$this->directory->path}/storage/logs/artisan.log", 'a'];
        $process = \proc_open([...$php, $this->directory->path, ...$command], [1 => $log, 2 => $log], $pipes);
        \assert($process !== false);
        return \proc_close($process);
    }

    public function logs(): string
    {
        $logs = \glob("{$this->directory->path}/storage/logs/*") ?: [];
        return \implode("\n", \array_map(\file_get_contents(...), $logs));
    }

    /** @return array<string, array<string, mixed>> the files in config/ */
    private function configuration(): array
    {
        $path = $this->directory->path;
        return [
            'app' => ['name' => 'test', 'env' => 'production', 'debug' => false, 'timezone' => 'UTC',
                'locale' => 'en', 'fallback_locale' => 'en',
                'providers' => self::PROVIDERS],
            'cache' => ['default' => 'array', 'stores' => ['array' => ['driver' => 'array']]],
            'database' => ['default' => 'sqlite', 'migrations' => 'migrations', 'connections' => [
                'sqlite' => ['driver' => 'sqlite', 'database' => "$path/database.sqlite", 'prefix' => ''],
            ]],
            'filesystems' => ['default' => 'local', 'disks' => ['local' => ['driver' => 'local', 'root' => $path]]],
            'logging' => ['default' => 'single', 'channels' => [
                'single' => ['driver' => 'single', 'path' => "$path/storage/logs/laravel.log"],
            ]],
            'queue' => ['default' => 'database', 'failed' => ['driver' => 'null'], 'connections' => [
                'database' => ['driver' => 'database', 'table' => 'jobs', 'queue' => 'default', 'retry_after' => 90],
                'sync' => ['driver' => 'sync'],
            ]],
            'view' => ['paths' => [], 'compiled' => "$path/storage/framework/views"],
        ];
    }

    private function write(string $path, string $text): void
    {
        $file = "{$this->directory->path}/$path";
        if (!\is_dir(\dirname($file))) {
            \mkdir(\dirname($file), 0777, true);
        }
        \file_put_contents($file, $text);
    }
}
