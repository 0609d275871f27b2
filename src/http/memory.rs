//! Gives the memory that a crowd of connections has used back to the system once the crowd has left.
//!
//! By itself the allocator keeps freed memory that lies below a block in use: one connection that stays open is enough
//! to keep the memory of hundreds that have ended. Runs as a task on the thread `http`.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use super::state::ServerState;
use crate::sys::limits;

/// The shortest time between two returns of memory. It bounds their cost where crowds come and go.
const INTERVAL: Duration = Duration::from_secs(1);

/// Gives memory back after each crowd, until the future is dropped.
pub(super) async fn give_back(shared: Rc<ServerState>) {
    loop {
        shared.connections.crowd_left().await;
        // The rest of the crowd may end in this time, so that its memory is given back as well.
        sleep(INTERVAL).await;
        limits::return_free_blocks();
    }
}
