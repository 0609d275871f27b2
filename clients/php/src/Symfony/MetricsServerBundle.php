<?php

declare(strict_types=1);

namespace MetricsServer\Symfony;

use Symfony\Component\DependencyInjection\Extension\ExtensionInterface;
use Symfony\Component\HttpKernel\Bundle\Bundle;

/** `MetricsServer\Symfony\MetricsServerBundle::class => ['all' => true]` in config/bundles.php switches it on. */
final class MetricsServerBundle extends Bundle
{
    public function getContainerExtension(): ExtensionInterface
    {
        return $this->extension ??= new MetricsServerExtension();
    }
}
