<?php

declare(strict_types=1);

namespace MetricsServer\Tests\Symfony;

use MetricsServer\Tests\Ends;
use Symfony\Component\Console\Attribute\AsCommand;
use Symfony\Component\Console\Command\Command;
use Symfony\Component\Console\Input\InputArgument;
use Symfony\Component\Console\Input\InputInterface;
use Symfony\Component\Console\Output\OutputInterface;

/** Ends with the exit code it is given, or in one of the ways of Ends. */
#[AsCommand(name: 'app:fail')]
final class FailCommand extends Command
{
    protected function configure(): void
    {
        $this->addArgument('how', InputArgument::REQUIRED);
    }

    protected function execute(InputInterface $input, OutputInterface $output): int
    {
        $how = $input->getArgument('how');
        if ($how === 'wait') {
            $output->writeln('ready');
            while (true) {
                \usleep(1000);
            }
        }
        if (!\is_numeric($how)) {
            Ends::by($how);
        }
        return (int) $how;
    }
}
