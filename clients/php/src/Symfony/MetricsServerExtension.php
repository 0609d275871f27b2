<?php

declare(strict_types=1);

namespace MetricsServer\Symfony;

use MetricsServer\Metrics;
use MetricsServer\MetricsInterface;
use MetricsServer\NullMetrics;
use Symfony\Component\Config\Definition\Exception\InvalidConfigurationException;
use Symfony\Component\Console\ConsoleEvents;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\ContainerInterface;
use Symfony\Component\DependencyInjection\Definition;
use Symfony\Component\DependencyInjection\Extension\Extension;
use Symfony\Component\DependencyInjection\Reference;
use Symfony\Component\Messenger\Event\WorkerMessageReceivedEvent;

/** Makes the client a service, and the listeners those that the configuration has switched on. */
final class MetricsServerExtension extends Extension
{
    /** @param array<array-key, mixed> $configs */
    public function load(array $configs, ContainerBuilder $container): void
    {
        $config = $this->processConfiguration(new Configuration(), $configs);
        if (!self::isOn($config['enabled'])) {
            $container->register(NullMetrics::class, NullMetrics::class);
            $container->setAlias(MetricsInterface::class, NullMetrics::class)->setPublic(true);
            return;
        }
        $container->setDefinition(Metrics::class, $this->client($config));
        $container->setAlias(MetricsInterface::class, Metrics::class)->setPublic(true);
        $this->listen($container, RequestListener::class, $config['requests']);
        if (\class_exists(ConsoleEvents::class)) {
            $this->listen($container, ConsoleListener::class, $config['console']);
        }
        if (\class_exists(WorkerMessageReceivedEvent::class)) {
            $this->listen($container, MessengerListener::class, $config['messenger']);
        }
    }

    public function getAlias(): string
    {
        return 'metrics_server';
    }

    /** @param array<string, mixed> $config */
    private function client(array $config): Definition
    {
        return (new Definition(Metrics::class, [
            '$address' => $config['address'],
            '$prefix' => $config['prefix'],
            '$labels' => $config['labels'],
            '$logger' => new Reference('logger', ContainerInterface::NULL_ON_INVALID_REFERENCE),
            '$debug' => $config['debug'],
            '$maxBlockMs' => $config['max_block_ms'],
        ]))->setPublic(true)->addTag('monolog.logger', ['channel' => 'metrics']);
    }

    /**
     * @param class-string $listener
     * @param array{enabled: mixed, buckets: list<float>} $switch
     */
    private function listen(ContainerBuilder $container, string $listener, array $switch): void
    {
        if (self::isOn($switch['enabled'])) {
            $container->register($listener, $listener)
                ->setArguments([new Reference(MetricsInterface::class), $switch['buckets']])
                ->setAutoconfigured(true);
        }
    }

    /** What is asked of the environment is a text here, which would be true whatever comes of it. */
    private static function isOn(mixed $enabled): bool
    {
        return \is_bool($enabled) ? $enabled : throw new InvalidConfigurationException(
            'metrics_server: "enabled" is read when the container is compiled, so it cannot be a %env()%; '
            . 'set it below `when@test:` and the like',
        );
    }
}
