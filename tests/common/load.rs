//! Series to load a server with: how many of which size, and their messages.

use std::fmt::Write as _;

use super::server::Server;

/// Messages that are written at once.
const WRITE_BYTES: usize = 64 << 10;

/// Series of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) op: &'static str,
    pub(crate) series: usize,
    /// How many series have one name.
    pub(crate) per_name: usize,
    /// Bytes of each name, help and label value.
    pub(crate) name: usize,
    pub(crate) help: usize,
    pub(crate) label: usize,
    pub(crate) labels: usize,
    /// Bounds of histograms.
    pub(crate) bounds: usize,
}

/// Counters of usual length under one name.
pub(crate) const SHORT: Load = Load {
    op: "inc",
    series: 50_000,
    per_name: usize::MAX,
    name: 20,
    help: 10,
    label: 20,
    labels: 2,
    bounds: 0,
};

impl Load {
    /// Appends the message of one series. Rounds have different series, of different sizes.
    pub(crate) fn message(&self, round: usize, number: usize, text: &mut String) {
        // Behind the server's own families on the page, so that these can be read without the rest.
        let name = format!("s_{}{round}_{}_{}_", self.op, self.help, number / self.per_name);
        let _ = write!(
            text,
            "{{\"name\":\"{name:n<0$}\",\"help\":\"{1}\",\"op\":\"{2}\",\"value\":1",
            self.name,
            "h".repeat(self.help),
            self.op
        );
        text.push_str(",\"labels\":{");
        for label in 0..self.labels {
            let comma = if label > 0 { "," } else { "" };
            let (value, width) = (format!("{round}-{number}-"), self.label + 7 * round);
            let _ = write!(text, "{comma}\"label_{label}\":\"{value:v<width$}\"");
        }
        text.push('}');
        if self.bounds > 0 {
            let bounds: Vec<_> = (1..=self.bounds + 5 * round).map(|le| le.to_string()).collect();
            let _ = write!(text, ",\"bucket_custom\":[{}]", bounds.join(","));
        }
        text.push_str("}\n");
    }

    /// Sends one message of each series over unix connections, each of which the kernel may give to another worker.
    pub(crate) fn send(&self, server: &Server, round: usize) {
        let mut text = String::new();
        for number in 0..self.series {
            self.message(round, number, &mut text);
            if text.len() > WRITE_BYTES || number + 1 == self.series {
                server.send_unix(&text);
                text.clear();
            }
        }
    }
}
