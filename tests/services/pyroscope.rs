//! The profiler with a real Pyroscope, which `make services` starts.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Server, inc};
use crate::service;

/// Profiles come every 10 s, and a slow build takes a while to make one.
const LONG: Duration = Duration::from_mins(2);

#[test]
fn a_profile_of_the_server_can_be_looked_at() {
    let port = service::port("pyroscope");
    let host = format!("h{}", metrics_server::testing::clock::unix_ns());
    let url = format!("http://127.0.0.1:{port}");
    let server = Server::start_with_env(&["-pyroscope-url", &url], &[("HOSTNAME", &host)]);
    let query = format!("metrics-server.cpu%7Bhostname%3D%22{host}%22%7D");
    let render = format!("{url}/render?query={query}&from=now-1h&until=now&format=json");
    let work = inc("busy").repeat(1_000);
    let mut client = server.connect("ms.sock");
    let start = Instant::now();
    loop {
        client.send(work.as_bytes()); // gives it something to be seen doing
        let text = ureq::get(&render).call().unwrap().body_mut().read_to_string().unwrap();
        let flames: Value = serde_json::from_str(&text).unwrap();
        let names = flames["flamebearer"]["names"].as_array().unwrap();
        let of_ours = |name: &Value| name.as_str().unwrap().contains("metrics_server::");
        if flames["flamebearer"]["numTicks"].as_u64().unwrap() > 0 && names.iter().any(of_ours) {
            break;
        }
        assert!(start.elapsed() < LONG, "{names:?}\n{}", server.stderr());
    }
    server.stop();
}
