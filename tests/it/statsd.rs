//! Lines of StatsD and its dialects through the running server: what stands on the page, and what is refused and why.

use metrics_server::testing::config::TagStyles;
use metrics_server::testing::metric::Op;
use metrics_server::testing::wire::{LineParser, ParsedLine};

use crate::common::{Page, Server};

/// Lines that count, with the series that they make and its value then. A series of a histogram is its count.
const COUNTED: &[(&str, &str, f64)] = &[
    ("plain:2|c", "plain", 2.0),
    ("plain:0.5|c", "plain", 2.5),
    ("plain:1|c|@0.1", "plain", 12.5),
    ("shop.orders-total:1|c", "shop_orders_total", 1.0),
    ("9lives:1|c", "_9lives", 1.0),
    ("dash--ed é:1|c", "dash_ed__", 1.0),
    ("level:-0.5|ms", "level_count", 1.0),
    ("gauge:7|g", "gauge", 7.0),
    ("gauge:3|g|@0.5", "gauge", 3.0),
    ("gauge:+2|g", "gauge", 5.0),
    ("gauge:-0.5|g", "gauge", 4.5),
    ("gauge:-1:-1|g", "gauge", 2.5),
    ("added:-3|g|#a:1", r#"added{a="1"}"#, -3.0),
    ("timer:250|ms", "timer_sum", 0.25),
    ("timer:100|ms|@0.5", "timer_count", 3.0),
    ("timer:1:2:3|ms", "timer_count", 6.0),
    ("bounds:5|ms", r#"bounds_bucket{le="0.005"}"#, 1.0),
    ("bounds:5001|ms", r#"bounds_bucket{le="10"}"#, 2.0),
    ("hist:4|h", "hist_sum", 4.0),
    ("hist:4|d", "hist_sum", 8.0),
    ("hist:4|d|@0.3", "hist_count", 5.0),
    ("packed:1:2:3|c", "packed", 6.0),
    ("several:1|c:2|c|@0.5:3|c", "several", 8.0),
    ("dog:1|c|#b:2,a:1", r#"dog{a="1",b="2"}"#, 1.0),
    ("dog:1|c|#a:x:y,#b.c:z,a:2", r#"dog{a="2",b_c="z"}"#, 1.0),
    ("dog:1|c|@0.5|#a:{x}|c:ci-1|e:it-false|card:low", r#"dog{a="{x}"}"#, 2.0),
    ("influx,a=1,b=2:1|c", r#"influx{a="1",b="2"}"#, 1.0),
    ("librato#a=1,b=2:1|c", r#"librato{a="1",b="2"}"#, 1.0),
    ("signal[a=1,b=2]fx:1|c", r#"signalfx{a="1",b="2"}"#, 1.0),
    ("timed:1|c|T1656581400", "timed", 1.0),
    ("notag:1|c|#lonely,a:1,:x,b:", r#"notag{a="1"}"#, 1.0),
    ("cut[a=1:1|c", "cut_a_1", 1.0),
    ("_sc|db.up|2|d:1656581400|h:web1|#a:1|m:down|all", r#"db_up{a="1",host="web1"}"#, 2.0),
];

/// Lines that are refused, and why.
const REFUSED: &[(&str, &str)] = &[
    ("set:1|s", "unsupported_type"),
    ("odd:1|foo", "unsupported_type"),
    ("odd:1|", "unsupported_type"),
    (":1|c", "name"),
    ("#a=1:1|c", "name"),
    ("_sc||0", "name"),
    ("odd:1o|c", "value"),
    ("odd:|c", "value"),
    ("odd:NaN|g", "value"),
    ("odd:inf|ms", "value"),
    ("odd:1e308|c|@0.000001", "value"),
    ("_sc|odd|4", "value"),
    ("odd:-1|c", "negative_increment"),
    ("odd:1|c|@0", "sample_rate"),
    ("odd:1|c|@-1", "sample_rate"),
    ("odd:1|ms|@1e-300", "sample_rate"),
    ("odd:1|c|@NaN", "sample_rate"),
    ("odd:1|c|@bar", "sample_rate"),
    ("odd:1|h|@2", "sample_rate"),
    ("odd,a=1:1|c|#b:1", "tag_styles"),
    ("odd:1|c|", "syntax"),
    ("odd:1|c|x", "syntax"),
    ("odd:1|c|#a:1|c:", "syntax"),
    ("odd:1|c:2|c|#a:1", "syntax"),
    ("plain:0|c:2", "syntax"),
    ("_sc|odd", "syntax"),
    ("_e{5,4}:tit|text", "syntax"),
    ("_e{1,1}:a|b|#a:1", "no_sink"),
    ("odd:1|h|#le:1", "reserved_label"),
    ("odd:1|c|#__a:1", "label_name"),
    ("plain:1|g", "type_conflict"),
];

fn start() -> Server {
    Server::start(&["-source-labels=false", "-workers", "1"])
}

/// Sends a line by one of the transports.
type Send = fn(&Server, &str) -> Page;

const TRANSPORTS: [Send; 2] = [
    |server, line| {
        server.send_udp(line);
        server.settled()
    },
    |server, line| {
        server.send_unix(format!("{line}\n"));
        server.settled()
    },
];

#[test]
fn lines_count_as_what_they_say() {
    for send in TRANSPORTS {
        let server = start();
        for (line, series, value) in COUNTED {
            let page = send(&server, line);
            assert_eq!(page.get(series), Some(*value), "{line}\n{}", page.user());
        }
        let page = server.settled();
        assert_eq!((page.refused(), page.own("garbage_bytes_total")), (0, 0), "{}", page.text);
        assert_eq!(page.coerced("timestamp"), 2, "one in a sample, one in a service check");
        assert_eq!(page.coerced("tag"), 2);
        server.stop();
    }
}

#[test]
fn what_is_refused_is_counted_and_told() {
    for send in TRANSPORTS {
        let server = Server::start(&["-source-labels=false", "-log-interval", "1h"]);
        server.send_udp("plain:1|c");
        let mut before = server.settled();
        for (line, reason) in REFUSED {
            let after = send(&server, line);
            let moved = after.rejected(reason) - before.rejected(reason);
            let refused = after.refused() - before.refused();
            assert!(moved >= 1 && moved == refused, "{line} as {reason}:\n{}", after.text);
            before = after;
        }
        assert_eq!(before.user().lines().filter(|line| !line.starts_with('#')).count(), 1);
        for (_, reason) in REFUSED {
            let names_it = |line: &str| line.contains(&format!("reason={reason},"));
            assert!(server.find_line(names_it).is_some(), "the log does not say {reason}");
        }
        server.stop();
    }
}

/// Both protocols in one datagram and in one stream, cut anywhere, with garbage between: the books close.
#[test]
fn objects_and_lines_stand_beside_each_other() {
    let text = "{\"name\":\"both\",\"op\":\"inc\",\"value\":1}\nboth:1|c\nboth:1|c\r\n\
                rubbish{\"name\":\"both\",\"op\":\"inc\",\"value\":1}both:1|c|@0.5\n\
                more rubbish\nboth:x|c\n{\"name\":\"both\",\"op\":\"inc\"\nboth:1|c\n";
    for cut in [1, 7, 1000] {
        let server = start();
        let mut client = server.connect("ms.sock");
        for piece in text.as_bytes().chunks(cut) {
            client.send(piece);
        }
        drop(client);
        server.send_udp(text);
        let page = server.settled();
        // By each transport two objects and three lines, of which one counts twice. The last line is in an open object.
        assert_eq!(page.get("both"), Some(12.0), "in pieces of {cut}:\n{}", page.text);
        assert_eq!((page.accepted(), page.framed()), (10, 14));
        assert_eq!((page.rejected("value"), page.rejected("unterminated")), (2, 2));
        assert_eq!(
            page.own("garbage_bytes_total"),
            2 * ("rubbish".len() + "morerubbish".len()) as u64
        );
        server.stop();
    }
}

/// The last line of a connection needs no line feed.
#[test]
fn the_end_of_a_connection_ends_a_line() {
    let server = start();
    server.send_unix("last:1|c");
    server.send_unix("last:1|c\r");
    server.send_unix("last:1");
    let page = server.settled();
    assert_eq!(
        (page.get("last"), page.own("garbage_bytes_total")),
        (Some(2.0), 6),
        "{}",
        page.text
    );
    server.stop();
}

#[test]
fn styles_of_tags_can_be_switched_off() {
    let server = Server::start(&["-source-labels=false", "-statsd-tags", "librato"]);
    for line in ["a#x=1:1|c", "b,x=1:1|c", "c[x=1]:1|c", "d:1|c|#x:1"] {
        server.send_udp(line);
    }
    let page = server.settled();
    for series in [r#"a{x="1"}"#, "b_x_1", "c_x_1_", "d"] {
        assert_eq!(page.get(series), Some(1.0), "{series}\n{}", page.user());
    }
    server.stop();
}

/// Lines longer than a message may be, names and values of 64 KiB, and a million types.
#[test]
fn long_and_many() {
    let server = Server::start(&["-source-labels=false", "-message-max-bytes", "65536"]);
    let mut client = server.connect("ms.sock");
    client.send(format!("long:1|c|#a:{}\nlong:1|c\n", "x".repeat(1 << 20)).as_bytes());
    client.send(format!("{}\nlong:1|c\n", "x".repeat(1 << 20)).as_bytes());
    client.send(format!("{}:1|c\n", "n".repeat(65_000)).as_bytes());
    client.send(format!("long:{}|c\n", "1".repeat(65_000)).as_bytes());
    for number in 0..100_000 {
        client.send(format!("t:1|t{number}\n").as_bytes());
    }
    drop(client);
    let page = server.settled();
    assert_eq!(page.get("long"), Some(2.0));
    assert_eq!(page.rejected("too_long"), 1);
    assert_eq!(page.rejected("value"), 1);
    assert_eq!(page.rejected("unsupported_type"), 100_000);
    assert_eq!(page.own("garbage_bytes_total"), 1 << 20);
    assert_eq!(page.get(&"n".repeat(65_000)), Some(1.0));
    server.stop();
}

/// What the fuzz target found worth keeping: a parser says the same of it whatever it has read before.
#[test]
fn corpus_of_the_fuzz_target() {
    let parse = |parser: &mut LineParser, line: &[u8]| {
        let mut seen = Vec::new();
        parser.parse(line, |ParsedLine { op_type, coercions, result }| {
            if let Ok(line) = &result {
                assert!(line.sample.value.is_finite());
                assert!(line.sample.labels.is_sorted_by(|a, b| a.name < b.name));
                assert!(line.sample.op != Op::Inc || line.sample.value >= 0.0);
            }
            seen.push((op_type, coercions, result.map(|line| format!("{line:?}"))));
        });
        seen
    };
    let new = || LineParser::new(8, TagStyles::all());
    let mut used = new();
    let mut count = 0;
    for entry in std::fs::read_dir("fuzz/corpus/statsd").unwrap() {
        let line = std::fs::read(entry.unwrap().path()).unwrap();
        assert_eq!(parse(&mut used, &line), parse(&mut new(), &line));
        count += 1;
    }
    assert!(count > 20, "{count}");
}
