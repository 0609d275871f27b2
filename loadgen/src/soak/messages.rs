//! The stream of messages: most of known series, some of series and families that nobody has seen before.
//!
//! Fresh ones differ in size, and sizes are mixed alike at any time, so that what lives at one moment weighs what lives
//! at any other. Knows no sockets and no time.

use std::collections::VecDeque;

use crate::rng::Rng;

/// Series that are sent all the time.
const KNOWN: usize = 5_000;
/// Of so many messages, eight are of known series, one of a fresh series, and one of a fresh family or of one of the
/// fresh that comes a second time.
const GROUP: u64 = 10;
/// Of the last, one in so many is of a fresh family.
const FAMILIES: u64 = 4;
/// Fresh messages that wait until they come a second time.
const AGAIN: usize = 2_000;

/// Makes the messages, one after the other.
#[derive(Debug)]
pub(crate) struct MessageStream {
    made: u64,
    rng: Rng,
    again: VecDeque<String>,
}

impl MessageStream {
    /// The same stream each time.
    pub(crate) fn new() -> Self {
        Self { made: 0, rng: Rng::new(1), again: VecDeque::new() }
    }

    /// Appends the next message and a line end.
    pub(crate) fn append_next(&mut self, out: &mut String) {
        let number = self.made;
        self.made += 1;
        let place = number % GROUP;
        let message = if place < GROUP - 2 {
            Self::known(number)
        } else if place == GROUP - 2 {
            self.fresh_series(number)
        } else if (number / GROUP).is_multiple_of(FAMILIES) {
            self.fresh_family(number)
        } else {
            self.second_sight(number)
        };
        out.push_str(&message);
        out.push('\n');
    }

    fn known(number: u64) -> String {
        let series = (number / GROUP * (GROUP - 2) + number % GROUP) % KNOWN as u64;
        let labels = format!(r#""labels":{{"route":"/route/{series}","shop":"de"}}"#);
        match series % 10 {
            0 => format!(r#"{{"name":"soak_workers","op":"set","value":{number},{labels}}}"#),
            1 => format!(
                r#"{{"name":"soak_seconds","op":"obs","value":0.3,{labels},"bucket_custom":[0.1,0.5,1,5]}}"#
            ),
            _ => format!(r#"{{"name":"soak_requests_total","op":"inc","value":1,{labels}}}"#),
        }
    }

    fn fresh_series(&mut self, number: u64) -> String {
        let pad = "x".repeat(self.rng.below(200));
        let labels = format!(r#""labels":{{"order":"{number}{pad}"}}"#);
        let message = if self.rng.below(8) == 0 {
            let buckets = 1 + self.rng.below(40);
            format!(
                r#"{{"name":"soak_of_{buckets}","op":"obs","value":1,"buckets":{buckets},{labels}}}"#
            )
        } else {
            format!(r#"{{"name":"soak_orders_total","op":"inc","value":1,{labels}}}"#)
        };
        if self.again.len() < AGAIN {
            self.again.push_back(message.clone());
        }
        message
    }

    fn fresh_family(&mut self, number: u64) -> String {
        let help = "h".repeat(self.rng.below(400));
        format!(r#"{{"name":"soak_{number}_total","help":"{help}","op":"inc","value":1}}"#)
    }

    fn second_sight(&mut self, number: u64) -> String {
        self.again.pop_front().unwrap_or_else(|| Self::known(number))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::MessageStream;

    #[test]
    fn a_tenth_and_more_is_fresh_all_the_time() {
        let mut stream = MessageStream::new();
        let mut seen = BTreeSet::new();
        for second in 0..5 {
            let mut text = String::new();
            (0..20_000).for_each(|_| stream.append_next(&mut text));
            let fresh = text.lines().filter(|line| {
                let is_known = line.contains("/route/");
                !is_known && seen.insert((*line).to_owned())
            });
            assert_eq!(fresh.count(), 2_500, "in second {second}");
        }
    }
}
