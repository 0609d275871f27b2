//! What shapes find, keep and forget.

use super::*;

fn message(name: &str, value: &str) -> String {
    format!(r#"{{"name":"{name}","op":"inc","value":{value}}}"#)
}

/// Looks up the message at the head of other bytes than before.
fn look(cache: &mut ShapeCache<usize>, listener: usize, text: &str) -> Found<usize> {
    cache.ahead.empty();
    cache.find(listener, text.as_bytes(), 0, |_| 0)
}

/// A cache that knows these names, each standing for its number.
fn knowing(names: &[&str], bytes_max: usize) -> ShapeCache<usize> {
    let mut cache = ShapeCache::new(bytes_max);
    for (number, name) in names.iter().enumerate() {
        let text = message(name, "1");
        for sight in 0..2 {
            let Found::Miss(Some(key)) = look(&mut cache, 0, &text) else { panic!("{text}") };
            if cache.seen_before(key, 0, text.as_bytes()) {
                assert_eq!(sight, 1, "admitted on first sight");
                cache.admit(key, 0, text.as_bytes(), number);
            }
        }
    }
    cache
}

#[track_caller]
fn hits(cache: &mut ShapeCache<usize>, text: &str, number: usize, expected: f64, length: usize) {
    match look(cache, 0, text) {
        Found::Hit { stands_for, value, len, .. } => {
            assert_eq!((stands_for, value, len), (number, expected, length), "{text}");
        }
        Found::Miss(_) => panic!("{text} was not known"),
    }
}

#[test]
fn a_known_message_is_found_with_any_number_and_tells_its_end() {
    let mut cache = knowing(&["a", "b"], 1 << 20);
    for (text, value) in
        [("7", 7.0), ("-2.5e1", -25.0), ("123456789012345678901", 123_456_789_012_345_680_000.0)]
    {
        let one = message("b", text);
        hits(&mut cache, &(one.clone() + "\n{more"), 1, value, one.len());
    }
}

#[test]
fn what_is_no_json_number_or_another_place_misses() {
    let mut cache = knowing(&["a"], 1 << 20);
    for value in ["", "01", "1.", ".5", "+1", "\"1\"", "1e400", "NaN", "1 2", "null"] {
        let text = message("a", value);
        assert!(matches!(look(&mut cache, 0, &text), Found::Miss(_)), "{text}");
        cache.begin();
    }
    let text = message("a", "1");
    assert!(matches!(look(&mut cache, 1, &text), Found::Miss(_)), "another listener");
    assert!(matches!(look(&mut cache, 0, &text[..text.len() - 1]), Found::Miss(_)), "cut");
}

/// Where one message has its number, another's successor may have its own.
#[test]
fn a_number_seen_in_the_message_behind_is_not_taken() {
    let long = "a".repeat(message("b", "1").len());
    let mut cache = knowing(&["", &long], 1 << 20);
    let (short, long) = (message("", "1"), message(&long, "2"));
    let place = |text: &str, from: usize| text[from..].find("1}").map(|at| from + at);
    // Behind the short one, its like begins where the number is then where the long one has its own.
    let gap = long.len() - short.len() - short.len();
    let text = format!("{short}{}{short}", " ".repeat(gap));
    assert_eq!(place(&text, short.len()), long.find("2}"), "{text}");
    for _ in 0..100 {
        hits(&mut cache, &long, 1, 2.0, long.len());
        hits(&mut cache, &text, 0, 1.0, short.len());
    }
}

/// Several in one datagram, with what may stand between them, and one that is not known.
#[test]
fn messages_are_found_together() {
    let mut cache = knowing(&["a", "b", "c"], 1 << 20);
    cache.guess = Guess::new();
    (0..20).for_each(|_| cache.guess.learn(false));
    let gaps = ["", "\n", "\r\n", " ", "}\n", "\n\n\n\n\n\n", "x"];
    for gap in gaps {
        let mut text = String::new();
        let names = ["a", "c", "unknown", "b", "c", "a"];
        for name in names {
            text += &(message(name, "4") + gap);
        }
        cache.begin();
        let mut at = 0;
        for name in names {
            let len = message(name, "4").len();
            let found = cache.find(0, text.as_bytes(), at, |_| 0);
            match ["a", "b", "c"].iter().position(|known| *known == name) {
                None => assert!(matches!(found, Found::Miss(Some(_))), "{name}{gap:?}"),
                Some(number) => {
                    let Found::Hit { stands_for, len: found, value, .. } = found else {
                        panic!("{name}{gap:?}")
                    };
                    assert_eq!((stands_for, found, value), (number, len, 4.0));
                }
            }
            at += len + gap.len();
        }
    }
}

#[test]
fn guesses_and_searches_find_the_same() {
    let names: Vec<String> = (0..50).map(|n| format!("m{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut cache = knowing(&names, 1 << 20);
    for round in 0..100 {
        cache.begin();
        for step in 0..50 {
            // In order for a while, then in another order: guesses hold, fail, and hold again.
            let number = if round % 20 < 10 { step } else { step * 7 % 50 };
            let text = message(names[number], "3");
            hits(&mut cache, &text, number, 3.0, text.len());
        }
    }
}

#[test]
fn the_bound_evicts_what_is_not_used() {
    let each = ShapeCache::<usize>::ENTRY_BYTES;
    let mut cache = knowing(&["a", "b", "c", "d"], 4 * each);
    assert_eq!((cache.len(), cache.bytes()), (4, 4 * each));
    let text = message("e", "1");
    let Found::Miss(Some(key)) = look(&mut cache, 0, &text) else { panic!() };
    cache.admit(key, 0, text.as_bytes(), 4);
    assert_eq!((cache.len(), cache.bytes()), (4, 4 * each));
    let Found::Hit { index, .. } = look(&mut cache, 0, &text) else { panic!() };
    cache.remove(index);
    assert_eq!((cache.len(), cache.bytes()), (3, 3 * each));
    assert!(matches!(look(&mut cache, 0, &text), Found::Miss(_)));
}
