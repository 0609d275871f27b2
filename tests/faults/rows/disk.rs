//! The disk to which rows spill is full, and then it is not.

use std::fs;
use std::time::{Duration, Instant};

use metrics_server::testing::planted::Fault;

use crate::books;
use crate::common::peer::{Peer, Reply};
use crate::common::search::{self, Books, SOON, well};
use crate::common::server::temp_dir;
use crate::common::wait::until;
use crate::common::{Page, Server};
use crate::flood::Flood;
use crate::namespace;
use crate::row::Row;

/// How much of the disk somebody else takes, and gives back.
const OTHERS_BYTES: usize = 2 << 20;
const RECOVERY_MAX: Duration = Duration::from_secs(10);

pub(crate) const FULL: Row = Row {
    name: "F9",
    what: "OpenSearch is away, memory for rows is full, and so is the disk below `-spill-dir`, of 4 MiB of which \
           somebody else holds 2; he gives them back, then OpenSearch comes back",
    holds: "the server runs on; rows that found no room are counted as dropped, one by one; within 10 s rows go to \
            disk again; all that were kept are delivered once each",
    planted: Fault::FullDiskUncounted,
    run: || {
        let dir = temp_dir();
        let (root, others) = (dir.path().to_str().unwrap(), dir.path().join("others"));
        namespace::run("mount", &["-t", "tmpfs", "-o", "size=4m", "tmpfs", root]);
        fs::write(&others, vec![1; OTHERS_BYTES]).unwrap();
        let peer = Peer::start(|_| Reply::status(503, ""));
        let url = format!("http://127.0.0.1:{}", peer.port);
        let flags = [&SOON[..], &["-sink-queue-bytes", "1048576", "-workers", "2"]].concat();
        let server = search::spilling(dir.path(), &url, &flags);
        let rows = Flood::unix(&server, Duration::from_micros(100), |_| row());

        let full = when(&server, "the disk is full", |page| own(page, "spill_errors_total") > 1);
        fs::remove_file(&others).unwrap();
        let freed = Instant::now();
        let spilled = own(&full, "rows_spilled_total");
        when(&server, "rows go to disk again", |page| {
            own(page, "rows_spilled_total") > spilled + 100
        });
        let recovery = freed.elapsed();
        assert!(recovery < RECOVERY_MAX, "{recovery:?}");
        let errors = own(&server.scrape(), "spill_errors_total");
        when(&server, "the disk is full again", |page| own(page, "spill_errors_total") > errors);
        let rows = rows.stop();

        let page = books::closed(&server);
        let waiting = Books::of(&page);
        assert_eq!((waiting.enqueued, waiting.delivered), (rows, 0));
        peer.script(well);
        let page = when(&server, "all that was kept is delivered", |page| {
            let books = Books::of(page);
            books.queued + books.spilled == 0
        });
        let Books { delivered, dropped, rejected, .. } = Books::of(&page);
        assert_eq!((delivered + dropped, rejected), (rows, 0));
        let mut ids: Vec<_> = search::bulks(&peer).concat().into_iter().map(|row| row.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len() as u64, delivered, "different rows at the far end");
        let errors = own(&page, "spill_errors_total");
        server.stop();
        namespace::run("umount", &[root]);
        format!(
            "{rows} rows, {delivered} delivered, {dropped} dropped and counted; {errors} errors of the disk; rows \
             went to disk again {:.1} s after there was room",
            recovery.as_secs_f64()
        )
    },
};

/// A row of some length, so that the disk is full soon.
fn row() -> String {
    let text = "x".repeat(700);
    format!(r#"{{"name":"event","op":"index","labels":{{"text":"{text}"}},"value":1}}"#)
}

fn own(page: &Page, family: &str) -> u64 {
    page.own(&format!(r#"sink_{family}{{sink="opensearch"}}"#))
}

/// The first page on which it is so.
fn when(server: &Server, what: &str, is_so: impl Fn(&Page) -> bool) -> Page {
    until(what, || {
        let page = server.scrape();
        if is_so(&page) { Ok(page) } else { Err(format!("{:?}", Books::of(&page))) }
    })
}
