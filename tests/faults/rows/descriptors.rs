//! The server has no descriptor left.

use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use metrics_server::testing::planted::Fault;

use crate::books;
use crate::common::inc;
use crate::common::send::Client;
use crate::common::server::{BASE, Server};
use crate::common::wait::until;
use crate::flood::Flood;
use crate::row::Row;

/// Enough to start, and for a scrape.
const DESCRIPTORS: usize = 80;
/// Of each kind: more than there are descriptors for.
const CLIENTS: usize = 150;
const OUTAGE: Duration = Duration::from_secs(15);

pub(crate) const EXHAUSTED: Row = Row {
    name: "F15",
    what: "idle HTTP connections, and unix clients of which each has written a message and stays, take all of the 80 \
           descriptors that the server may have (scaled down: for 15 s, not for a minute)",
    holds: "no datagram is dropped meanwhile; scrapes are answered; once the clients go, what they had written is \
            read, and newcomers are served without further errors",
    planted: Fault::StarvedForEver,
    run: || {
        let server = start();
        let datagrams = Flood::udp(&server, Duration::from_millis(1), |_| inc("datagram"));
        let silent: Vec<TcpStream> =
            (0..CLIENTS).map(|_| TcpStream::connect(("127.0.0.1", server.http)).unwrap()).collect();
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect("ms.sock")).collect();
        for client in &mut clients {
            client.send(inc("stream").as_bytes());
        }
        let began = Instant::now();
        let mut scrapes = 0;
        while began.elapsed() < OUTAGE {
            let page = server.scrape();
            assert_eq!(page.own_sum("udp_kernel_drops_total"), 0);
            scrapes += 1;
        }
        let errors = server.scrape().own("http_accept_errors_total");
        assert!(errors > 0, "there were descriptors for all");
        let datagrams = datagrams.stop();
        drop((silent, clients));
        let page = books::closed(&server);
        assert_eq!(page.accepted(), datagrams + CLIENTS as u64);
        let before = accept_errors(&server);
        for _ in 0..20 {
            server.send_unix(inc("newcomer"));
        }
        let page = books::closed(&server);
        assert_eq!(page.accepted(), datagrams + CLIENTS as u64 + 20);
        assert_eq!(accept_errors(&server), before, "there are descriptors again");
        server.stop();
        format!(
            "{CLIENTS} and {CLIENTS} clients for {} s; {datagrams} datagrams, 0 dropped; {scrapes} scrapes; accepting \
             failed {before} times",
            OUTAGE.as_secs()
        )
    },
};

fn start() -> Server {
    let args = [&BASE[..], &["-workers", "2"]].concat();
    let mut shell = Command::new("sh");
    let limited = format!(r#"ulimit -n {DESCRIPTORS} && exec "$0" "$@""#);
    shell.args(["-c", &limited, env!("CARGO_BIN_EXE_metrics-server")]).args(&args);
    Server::start_command(shell, &args)
}

/// Once the clients that went are noticed.
fn accept_errors(server: &Server) -> u64 {
    until("nobody but this scrape is connected", || {
        let page = server.scrape();
        let open = page.own("http_connections") + page.own_sum("unix_connections");
        if open > 1 {
            return Err(format!("{open} open"));
        }
        Ok(page.own("http_accept_errors_total") + page.own("unix_accept_errors_total"))
    })
}
