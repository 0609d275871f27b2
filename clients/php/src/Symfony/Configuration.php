<?php

declare(strict_types=1);

namespace MetricsServer\Symfony;

use MetricsServer\Histogram;
use Symfony\Component\Config\Definition\Builder\ArrayNodeDefinition;
use Symfony\Component\Config\Definition\Builder\TreeBuilder;
use Symfony\Component\Config\Definition\ConfigurationInterface;

/** What `metrics_server:` takes in config/packages/metrics_server.yaml. */
final class Configuration implements ConfigurationInterface
{
    /** Commands and messages may take an hour. */
    private const LONG_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600];

    public function getConfigTreeBuilder(): TreeBuilder
    {
        $tree = new TreeBuilder('metrics_server');
        $root = $tree->getRootNode();
        \assert($root instanceof ArrayNodeDefinition);
        $root->children()
            ->booleanNode('enabled')->defaultTrue()->info('false: nothing is measured or sent')->end()
            ->scalarNode('address')->defaultValue('udp://127.0.0.1:9999')->cannotBeEmpty()
                ->info('udp://host:port or unix:///path')->end()
            ->scalarNode('prefix')->defaultValue('')->treatNullLike('')->info('in front of every name')->end()
            ->arrayNode('labels')->info('of every message')
                ->normalizeKeys(false)->useAttributeAsKey('name')->scalarPrototype()->end()->end()
            ->scalarNode('max_block_ms')->defaultValue(5)->treatNullLike(5)
                ->info('how long all writes of a request together may wait for a server that is behind')->end()
            ->booleanNode('debug')->defaultValue('%kernel.debug%')
                ->info('whether the log names file and line of a refused call')->end();
        $this->addSwitch($root, 'requests', 'HTTP requests by route, method and status', Histogram::SECONDS);
        $this->addSwitch($root, 'console', 'console commands by name and exit code', self::LONG_SECONDS);
        $this->addSwitch($root, 'messenger', 'messages of Messenger by class and transport', self::LONG_SECONDS);
        return $tree;
    }

    /** @param list<int|float> $buckets */
    private function addSwitch(ArrayNodeDefinition $root, string $name, string $info, array $buckets): void
    {
        $switch = new ArrayNodeDefinition($name);
        $switch->info($info)->canBeDisabled()->children()
            ->arrayNode('buckets')->info('upper bounds in seconds')
                ->floatPrototype()->end()->defaultValue($buckets)->end();
        $root->append($switch);
    }
}
