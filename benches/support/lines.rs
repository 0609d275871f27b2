//! The messages of all benches: a counter's with three labels, a histogram's with four, and StatsD lines of the same.

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

/// A StatsD line of a counter without tags, 39 bytes for a series of two digits.
#[allow(dead_code, reason = "not every bench counts lines")]
pub(crate) fn statsd(series: usize) -> String {
    format!("shop.frontend.http.requests.route{series}:1|c")
}

/// The counter's message as a line of DogStatsD, 56 bytes for a series of two digits.
#[allow(dead_code, reason = "not every bench counts lines")]
pub(crate) fn dogstatsd(series: usize) -> String {
    format!("http_requests_total:1|c|#app:shop,route:/r/{series},status:200")
}

/// The histogram's message as a line of DogStatsD with a sample rate, 75 bytes for a series of two digits.
#[allow(dead_code, reason = "not every bench counts lines")]
pub(crate) fn dogstatsd_timer(series: usize) -> String {
    format!("http_request_seconds:25|ms|@0.1|#app:shop,route:/r/{series},status:200,method:GET")
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
