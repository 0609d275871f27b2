//! The messages of all benches: a counter's with three labels, a histogram's with four.

/// A counter's message, 124 bytes for a series of two digits.
pub(crate) fn counter(series: usize) -> String {
    format!(
        r#"{{"name":"http_requests_total","help":"Requests","labels":{{"app":"shop","route":"/r/{series}","status":"200"}},"op":"inc","value":1}}"#
    )
}

/// A gauge's message, 117 bytes for a series of two digits.
#[allow(dead_code, reason = "not every bench sets gauges")]
pub(crate) fn gauge(series: usize) -> String {
    format!(
        r#"{{"name":"queue_length","help":"Waiting","labels":{{"app":"shop","route":"/r/{series}","status":"200"}},"op":"set","value":1}}"#
    )
}

/// A histogram's message with bounds of its own, 177 bytes for a series of two digits.
#[allow(dead_code, reason = "not every bench counts histograms")]
pub(crate) fn histogram(series: usize) -> String {
    format!(
        r#"{{"name":"http_request_seconds","help":"Latency","labels":{{"app":"shop","route":"/r/{series}","status":"200","method":"GET"}},"op":"obs","value":0.25,"bucket_custom":[0.05,0.1,0.5,1,5]}}"#
    )
}

/// The numbers below `count` in a random order, which is the same each time.
#[allow(dead_code, reason = "not every bench needs an order")]
pub(crate) fn shuffled(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut state = 1_u64;
    for last in (1..count).rev() {
        // A linear congruential generator; its high bits are random enough for an order.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let wide = u128::from(state) * (last as u128 + 1);
        order.swap(last, usize::try_from(wide >> 64).expect("at most `last`"));
    }
    order
}
