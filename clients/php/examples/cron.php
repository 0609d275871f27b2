<?php

// Runs a command and says how it went: `php cron.php unix:///run/metric-server.sock backup tar czf /backup/a.tgz /srv`.
//
// Alert on `time() - cron_last_success_timestamp_seconds{job="backup"} > 7200`. A job that has not gone well since the
// server's start has no such series: alert on `absent(cron_last_success_timestamp_seconds{job="backup"})` as well.
// Without `honor_labels: true` in its scrape config Prometheus calls the label `exported_job`.

declare(strict_types=1);

// Installed by Composer, or in a clone of metrics-server.
foreach (['/../../../autoload.php', '/../vendor/autoload.php', '/../tests/bootstrap.php'] as $autoload) {
    if (\is_file(__DIR__ . $autoload)) {
        require __DIR__ . $autoload;
        break;
    }
}

[, $address, $job] = $argv + [1 => '', 2 => ''];
$command = \array_slice($argv, 3);
if ($address === '' || $job === '' || $command === []) {
    \fwrite(\STDERR, "usage: php cron.php ADDRESS JOB COMMAND...\n");
    exit(2);
}

$startedAt = \hrtime(true);
$process = \proc_open($command, [\STDIN, \STDOUT, \STDERR], $pipes);
$exitCode = $process === false ? 127 : \proc_close($process);

// A job may wait for its metrics longer than a request.
$metrics = new MetricsServer\Metrics($address, 'cron_', ['job' => $job], maxBlockMs: 1000);
$metrics->gauge('last_exit_code', 'Exit code of the last run.')->set($exitCode);
$metrics->gauge('last_duration_seconds', 'Run time of the last run.')->set((\hrtime(true) - $startedAt) / 1e9);
$metrics->gauge('last_run_timestamp_seconds', 'When the last run ended.')->set(\time());
if ($exitCode === 0) {
    $metrics->gauge('last_success_timestamp_seconds', 'When the last run that went well ended.')->set(\time());
}

// Runs after the client's own, which sends and so knows of each message whether it went; cron mails what is on stderr.
\register_shutdown_function(static function () use ($metrics, $address, $job): void {
    if ($metrics->dropped() > 0) {
        $reasons = \json_encode($metrics->droppedByReason(), \JSON_THROW_ON_ERROR);
        \fwrite(\STDERR, "cron.php: metrics of $job not sent to $address: $reasons\n");
    }
});
exit($exitCode);
