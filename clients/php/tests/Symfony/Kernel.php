<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Symfony;

use MetricsServer\Symfony\MetricsServerBundle;
use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\HttpKernel\Bundle\BundleInterface;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;

/** A small application as `symfony new` would begin it, with the bundle and nothing that stands in for Symfony. */
final class Kernel extends BaseKernel
{
    use MicroKernelTrait;

    /** @param array<string, mixed> $metrics the bundle's configuration */
    public function __construct(private readonly array $metrics, private readonly string $directory)
    {
        parent::__construct('prod', false);
    }

    /** @return list<BundleInterface> */
    public function registerBundles(): array
    {
        return [new FrameworkBundle(), new MetricsServerBundle()];
    }

    public function getProjectDir(): string
    {
        return $this->directory;
    }

    private function configureContainer(ContainerConfigurator $container): void
    {
        $container->extension('framework', [
            'secret' => 'test',
            'http_method_override' => false,
            'router' => ['utf8' => true],
            'messenger' => [
                'transports' => ['jobs' => ['dsn' => 'numbers://', 'retry_strategy' => ['max_retries' => 1]]],
            ],
        ]);
        $container->extension('metrics_server', $this->metrics);
        $services = $container->services()->defaults()->autowire()->autoconfigure();
        $services->set(Controller::class)->public();
        $services->set(FailCommand::class);
        $services->set(NumberHandler::class);
        $services->set(NumbersTransportFactory::class);
    }

    private function configureRoutes(RoutingConfigurator $routes): void
    {
        foreach (['order' => '/order/{id}', 'end' => '/end/{way}'] as $name => $path) {
            $routes->add($name, $path)->controller([Controller::class, $name]);
        }
    }
}
