//! Memory that connections to the HTTP port take, as the kernel counts it.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};

use crate::common::resident;
use crate::common::server::Server;
use crate::common::wait;

const CROWD: usize = 500;

fn connect(server: &Server, sends: &str) -> Vec<TcpStream> {
    let connect = |_| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.http)).unwrap();
        stream.write_all(sends.as_bytes()).unwrap();
        stream
    };
    (0..CROWD).map(connect).collect()
}

/// Half a head makes the server hold buffers, of more than 8 KiB each; they go when the crowd does.
#[test]
fn what_a_crowd_has_used_goes_back_to_the_system() {
    let server = Server::start(&[]);
    server.scrape();
    let before = resident::bytes(&server);
    let crowd = connect(&server, "GET /metrics HTTP/1.1\r\n");
    wait::until("a crowd takes memory", || {
        let taken = resident::bytes(&server).saturating_sub(before);
        if taken > CROWD as u64 * (8 << 10) { Ok(()) } else { Err(format!("{taken} bytes")) }
    });
    drop(crowd);
    wait::until("the memory is back", || {
        let kept = resident::bytes(&server).saturating_sub(before);
        if kept < 2 << 20 { Ok(()) } else { Err(format!("{kept} bytes are kept")) }
    });
}
