<?php

declare(strict_types=1);

namespace MetricsServer;

/** Why a message was not sent. Where the server refuses for the same reason, the text is the server's. */
enum DropReason: string
{
    /** The address is not `udp://host:port` or `unix:///path`. */
    case Address = 'address';
    /** No valid name of a metric. */
    case Name = 'name';
    /** An array, an object without text, a text that is no number, NaN or INF. */
    case Value = 'value';
    /** A counter only grows. */
    case NegativeIncrement = 'negative_increment';
    /** Other labels than the instrument has declared. */
    case Labels = 'labels';
    case LabelName = 'label_name';
    case LabelValue = 'label_value';
    /** `le` belongs to the buckets of a histogram. */
    case ReservedLabel = 'reserved_label';
    /** An unknown bucket field, or bounds that do not increase. */
    case BucketParams = 'bucket_params';
    /** No RFC 3339 text, number of seconds or DateTimeInterface. */
    case Timestamp = 'timestamp';
    /** What another library's interface asks for and the server does not do. */
    case Unsupported = 'unsupported';
    /** Longer than a datagram can be. */
    case TooLong = 'too_long';
    /** Nothing listens at the port, or at the socket, whose file is there. */
    case Refused = 'connection_refused';
    /** No such host, socket file or route, or no permission. */
    case Unreachable = 'unreachable';
    /** The server does not read, and the buffers are full. */
    case Full = 'full';
    /** The server closed the connection, and a new one closed as well. */
    case Closed = 'connection_closed';
}
