<?php

declare(strict_types=1);

namespace MetricsServer\Tests;

use MetricsServer\Laravel\MetricsFacade;
use MetricsServer\MetricsInterface;
use PHPUnit\Framework\TestCase;

/** What a static analyser would find first, in place of one: Debian has none for PHP. */
final class SourceTest extends TestCase
{
    /** @return iterable<string, array{string}> */
    public static function files(): iterable
    {
        $root = \dirname(__DIR__);
        foreach (['src', 'tests', 'config', 'examples', 'bench'] as $directory) {
            $files = new \RecursiveIteratorIterator(new \RecursiveDirectoryIterator("$root/$directory"));
            foreach ($files as $file) {
                if (\str_ends_with((string) $file, '.php')) {
                    yield \substr((string) $file, \strlen($root) + 1) => [(string) $file];
                }
            }
        }
    }

    /** @dataProvider files */
    public function testCompilesWithStrictTypes(string $file): void
    {
        $process = \proc_open([\PHP_BINARY, '-l', $file], [1 => ['pipe', 'w'], 2 => ['pipe', 'w']], $pipes);
        self::assertNotFalse($process);
        $output = \stream_get_contents($pipes[1]);
        self::assertSame(0, \proc_close($process), (string) $output);
        $firstStatement = '/^<\?php\n\n(?:\/\/.*\n|\n)*declare\(strict_types=1\);\n/';
        self::assertMatchesRegularExpression($firstStatement, (string) \file_get_contents($file));
    }

    /** @return iterable<string, array{string}> */
    public static function classes(): iterable
    {
        foreach (self::files() as $name => [$file]) {
            if (\str_starts_with($name, 'src/')) {
                $class = 'MetricsServer\\' . \strtr(\substr($name, 4, -4), '/', '\\');
                yield $class => [$class];
            }
        }
    }

    /**
     * Every class is where its name says, fits what it extends and implements, and says the types of all it has.
     *
     * @dataProvider classes
     */
    public function testTypesAreDeclared(string $class): void
    {
        require_once __DIR__ . '/Symfony/app.php';
        require_once __DIR__ . '/Laravel/app.php';
        require_once __DIR__ . '/Compat/promphp.php';
        self::assertTrue(\class_exists($class) || \interface_exists($class) || \trait_exists($class), $class);
        $reflection = new \ReflectionClass($class);
        $methods = \array_filter(
            $reflection->getMethods(),
            static fn (\ReflectionMethod $method): bool => $method->getFileName() === $reflection->getFileName(),
        );
        foreach ($methods as $method) {
            $isNamedByPhp = \in_array($method->getName(), ['__construct', '__destruct'], true);
            self::assertTrue($isNamedByPhp || $method->hasReturnType(), "{$method->getName()}() has no type");
            foreach ($method->getParameters() as $parameter) {
                // PHP has no type for resources.
                $isResource = \str_contains((string) $method->getDocComment(), "resource \${$parameter->getName()}");
                $text = "{$method->getName()}(\${$parameter->getName()})";
                self::assertTrue($isResource || $parameter->hasType(), "$text has no type");
            }
        }
        foreach ($reflection->getProperties() as $property) {
            $isSeenAlready = $property->isPromoted() || $property->getDeclaringClass()->getName() !== $class;
            self::assertTrue($isSeenAlready || $property->hasType(), "\${$property->getName()} has no type");
        }
    }

    public function testTheFacadeNamesAllMethods(): void
    {
        require_once __DIR__ . '/Laravel/app.php';
        $named = (string) (new \ReflectionClass(MetricsFacade::class))->getDocComment();
        foreach ((new \ReflectionClass(MetricsInterface::class))->getMethods() as $method) {
            self::assertStringContainsString(" {$method->getName()}(", $named);
        }
    }
}
