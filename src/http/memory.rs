//! What a crowd of connections has used goes back to the system once it has gone.
//!
//! The allocator keeps what is freed between two blocks in use, and one block of a connection that stays is
//! enough to keep the memory of hundreds that have ended. A task on the thread `http`.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use super::state::ServerState;
use crate::sys::limits;

/// Between two times, so that crowds that come and go cost no more than one a second.
const INTERVAL: Duration = Duration::from_secs(1);

/// Gives memory back after each crowd, until it is dropped.
pub(super) async fn give_back(shared: Rc<ServerState>) {
    loop {
        shared.connections.crowd_left().await;
        // The last of them end meanwhile.
        sleep(INTERVAL).await;
        limits::return_free_blocks();
    }
}
