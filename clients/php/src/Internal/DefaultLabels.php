<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

/** The labels of every message of a client. One without a text is told with each call, as the call's own are. */
final class DefaultLabels
{
    /** @var array<string, string> */
    private array $texts = [];
    private ?Refusal $refusal = null;

    /** @param array<array-key, mixed> $labels */
    public function __construct(array $labels)
    {
        try {
            foreach ($labels as $name => $value) {
                $this->texts[$name] = Text::label((string) $name, $value);
            }
        } catch (Refusal $refusal) {
            $this->refusal = $refusal;
        }
    }

    /**
     * @return array<array-key, string> by name
     * @throws Refusal
     */
    public function texts(): array
    {
        return $this->refusal === null ? $this->texts : throw $this->refusal;
    }
}
