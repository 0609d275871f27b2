//! What one connection of an attack sends and reads: data only. Runs on no thread and knows no socket.

/// The behaviour of a connection. By default it sends its bytes at once and reads whatever comes.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    head: Vec<u8>,
    /// Sent again and again behind the head, up to [`Script::bytes`] in all.
    block: Vec<u8>,
    bytes: usize,
    sends: SendMode,
    reads: ReadMode,
}

/// How fast a connection sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendMode {
    /// As fast as the server takes it.
    AtOnce,
    /// One byte a second.
    ByteASecond,
}

/// How a connection reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadMode {
    /// All, as soon as it is there.
    AtOnce,
    /// One byte a second, through the smallest receive buffer that the kernel gives.
    ByteASecond,
    /// So many bytes; then it resets the connection.
    ThenResets(usize),
}

impl Script {
    /// Sends these bytes and nothing more.
    pub(crate) fn new(head: impl Into<Vec<u8>>) -> Self {
        let head = head.into();
        let bytes = head.len();
        Self { head, block: Vec::new(), bytes, sends: SendMode::AtOnce, reads: ReadMode::AtOnce }
    }

    /// Sends nothing at all.
    pub(crate) fn silent() -> Self {
        Self::new([])
    }

    /// Sends `block` behind the head so many times.
    pub(crate) fn then(mut self, block: impl Into<Vec<u8>>, times: usize) -> Self {
        self.block = block.into();
        self.bytes = self.head.len() + times * self.block.len();
        self
    }

    /// Sends a byte a second instead of all at once.
    pub(crate) fn drip(mut self) -> Self {
        self.sends = SendMode::ByteASecond;
        self
    }

    /// Reads in another way.
    pub(crate) fn reading(mut self, reads: ReadMode) -> Self {
        self.reads = reads;
        self
    }

    /// What comes after the first `sent` bytes; empty at the end.
    pub(crate) fn after(&self, sent: usize) -> &[u8] {
        match sent.checked_sub(self.head.len()) {
            None => &self.head[sent..],
            Some(_) if sent >= self.bytes => &[],
            Some(behind) => &self.block[behind % self.block.len()..],
        }
    }

    /// How fast it sends.
    pub(crate) fn sends(&self) -> SendMode {
        self.sends
    }

    /// How it reads.
    pub(crate) fn reads(&self) -> ReadMode {
        self.reads
    }
}

#[cfg(test)]
mod tests {
    use super::Script;

    fn whole(script: &Script) -> String {
        let mut bytes = Vec::new();
        while let more @ [_, ..] = script.after(bytes.len()) {
            bytes.extend_from_slice(more);
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_block_follows_the_head_as_often_as_asked() {
        assert_eq!(whole(&Script::silent()), "");
        assert_eq!(whole(&Script::new("head")), "head");
        assert_eq!(whole(&Script::new("head").then("ab", 3)), "headababab");
        assert_eq!(whole(&Script::silent().then("ab", 2)), "abab");
    }

    #[test]
    fn a_part_that_was_sent_is_not_sent_again() {
        let script = Script::new("head").then("ab", 2);
        assert_eq!(script.after(1), b"ead");
        assert_eq!(script.after(5), b"b");
        assert_eq!(script.after(8), b"");
    }
}
