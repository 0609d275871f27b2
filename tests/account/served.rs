//! The server in a process whose allocator counts, and how the test asks for the count.

use std::alloc::System;
use std::env;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, ExitCode};
use std::thread;

use cap::Cap;

use crate::common::Server;
use crate::common::server::BASE;

/// The variable that makes this program the server.
const WANTED: &str = "METRICS_SERVER_TEST_ALLOCATED";
/// Where the server tells what is allocated, in its directory.
const SOCKET: &str = "allocated.sock";

/// Whether this process is to be the server.
pub(crate) fn is_wanted() -> bool {
    env::var_os(WANTED).is_some()
}

/// Runs the server until it ends, and tells whoever connects how many bytes are allocated.
#[expect(clippy::disallowed_methods, reason = "the rule is about the server's threads")]
pub(crate) fn run(allocator: &'static Cap<System>) -> ExitCode {
    let listener = UnixListener::bind(SOCKET).unwrap();
    let tell = move || {
        for mut client in listener.incoming().flatten() {
            // Who has left does not want to know.
            let _ = client.write_all(allocator.allocated().to_string().as_bytes());
        }
    };
    thread::Builder::new().name("allocated".to_owned()).spawn(tell).unwrap();
    metrics_server::run()
}

/// Starts the server with [`BASE`] and more flags.
pub(crate) fn start(more: &[String]) -> Server {
    let mut command = Command::new(env::current_exe().unwrap());
    let args: Vec<&str> = BASE.into_iter().chain(more.iter().map(String::as_str)).collect();
    command.args(&args).env(WANTED, "1");
    Server::start_command(command, &args)
}

/// Bytes that are allocated in a server of [`start`].
pub(crate) fn allocated(server: &Server) -> u64 {
    let mut text = String::new();
    let mut client = UnixStream::connect(server.path(SOCKET)).unwrap();
    client.read_to_string(&mut text).unwrap();
    text.parse().unwrap()
}
