<?php

declare(strict_types=1);

namespace MetricsServer\Internal;

use MetricsServer\DropReason;

/** The moment of a row, as RFC 3339 has it. */
final class Timestamp
{
    private const FORMAT = 'Y-m-d\TH:i:s.uP';
    private const RFC_3339 = '/^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/D';

    /**
     * @param mixed $moment a DateTimeInterface, seconds since 1970 or an RFC 3339 text
     * @throws Refusal
     */
    public static function text(mixed $moment): string
    {
        if ($moment instanceof \DateTimeInterface) {
            return $moment->format(self::FORMAT);
        }
        if (\is_string($moment) && \preg_match(self::RFC_3339, $moment) === 1) {
            return $moment;
        }
        if (\is_int($moment) || \is_float($moment) && \is_finite($moment)) {
            $date = \DateTimeImmutable::createFromFormat('U.u', \sprintf('%.6F', $moment));
            if ($date !== false) {
                return $date->format(self::FORMAT);
            }
        }
        throw new Refusal(DropReason::Timestamp, Text::show($moment) . ' is not a moment: an RFC 3339 text is');
    }
}
