//! What the cache finds, keeps and forgets.

use super::store::TemplateStore;
use super::{Cursor, Hit, Lookup, Miss, TemplateCache};
use crate::index_table::IndexTable;
use crate::wire::json::PADDING;
use crate::wire::padded::Padded;

fn message(name: &str, value: &str) -> String {
    format!(r#"{{"name":"{name}","op":"inc","value":{value}}}"#)
}

/// Runs `look` on a cursor over the text, as over one read.
fn with_cursor<R>(
    cache: &mut TemplateCache<usize>,
    listener: usize,
    text: &str,
    look: impl FnOnce(&mut Cursor<'_, usize>) -> R,
) -> R {
    let mut buffer = [text.as_bytes(), &[b'"'; PADDING]].concat();
    look(&mut cache.read(listener, Padded::new(&mut buffer, text.len())))
}

/// Looks up the message at the front of the text.
fn look(cache: &mut TemplateCache<usize>, listener: usize, text: &str) -> Lookup<usize> {
    with_cursor(cache, listener, text, |cursor| cursor.lookup(0, |_| {}))
}

/// Sends the message as if it was parsed and proved; returns whether it was admitted.
fn learn(cache: &mut TemplateCache<usize>, text: &str, meaning: usize) -> bool {
    with_cursor(cache, 0, text, |cursor| {
        let Lookup::Miss(Miss::Admissible(key)) = cursor.lookup(0, |_| {}) else {
            panic!("{text} is known or cannot be")
        };
        let again = cursor.seen_before(key, 0..text.len());
        if again {
            cursor.admit(key, 0..text.len(), meaning);
        }
        again
    })
}

/// A cache that knows these names; each means its number.
fn knowing(names: &[&str], bytes_max: usize) -> TemplateCache<usize> {
    let mut cache = TemplateCache::new(bytes_max);
    for (number, name) in names.iter().enumerate() {
        let text = message(name, "1");
        assert!(!learn(&mut cache, &text, number), "admitted on first sight");
        assert!(learn(&mut cache, &text, number), "not admitted on second sight");
    }
    cache
}

#[track_caller]
fn is_hit(lookup: Lookup<usize>, meaning: usize, value: f64, len: usize) {
    let Lookup::Hit(hit) = lookup else { panic!("{meaning} was not known") };
    assert_eq!((hit.meaning, hit.value, hit.len), (meaning, value, len));
}

#[test]
fn a_known_message_is_found_with_any_number_and_tells_its_end() {
    let mut cache = knowing(&["a", "b"], 1 << 20);
    for (text, value) in
        [("7", 7.0), ("-2.5e1", -25.0), ("123456789012345678901", 123_456_789_012_345_680_000.0)]
    {
        let one = message("b", text);
        is_hit(look(&mut cache, 0, &(one.clone() + "\n{more")), 1, value, one.len());
    }
}

#[test]
fn what_is_no_json_number_or_another_place_misses() {
    let mut cache = knowing(&["a"], 1 << 20);
    for value in ["", "01", "1.", ".5", "+1", "\"1\"", "1e400", "NaN", "1 2", "null"] {
        let text = message("a", value);
        assert!(matches!(look(&mut cache, 0, &text), Lookup::Miss(_)), "{text}");
    }
    let text = message("a", "1");
    assert!(matches!(look(&mut cache, 1, &text), Lookup::Miss(_)), "another listener");
    assert!(matches!(look(&mut cache, 0, &text[..text.len() - 1]), Lookup::Miss(_)), "cut");
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
        is_hit(look(&mut cache, 0, &long), 1, 2.0, long.len());
        is_hit(look(&mut cache, 0, &text), 0, 1.0, short.len());
    }
}

/// Looks up all messages of a text, each followed by `gap`.
fn look_at_all(
    cursor: &mut Cursor<'_, usize>,
    names: &[&str],
    value: &str,
    gap: &str,
) -> Vec<Lookup<usize>> {
    let mut at = 0;
    let mut look = |name: &&str| {
        let lookup = cursor.lookup(at, |_| {});
        at += message(name, value).len() + gap.len();
        lookup
    };
    names.iter().map(&mut look).collect()
}

/// Several in one read and in the datagrams of a batch, with what may stand between them, and one unknown.
#[test]
fn messages_are_found_together() {
    let known = ["a", "b", "c"];
    let mut cache = knowing(&known, 1 << 20);
    (0..20).for_each(|_| cache.predictor.learn(false)); // so that it looks ahead
    let names = ["a", "c", "unknown", "b", "c", "a"];
    let check = |lookups: Vec<Lookup<usize>>, gap: &str| {
        for (name, lookup) in names.iter().zip(lookups) {
            match known.iter().position(|known| known == name) {
                None => assert!(matches!(lookup, Lookup::Miss(Miss::Admissible(_))), "{gap:?}"),
                Some(number) => is_hit(lookup, number, 4.0, message(name, "4").len()),
            }
        }
    };
    for gap in ["", "\n", "\r\n", " ", "}\n", "\n\n\n\n\n\n", "x"] {
        let text: String = names.iter().map(|name| message(name, "4") + gap).collect();
        check(
            with_cursor(&mut cache, 0, &text, |cursor| look_at_all(cursor, &names, "4", gap)),
            gap,
        );
        let mut buffers = vec![[text.as_bytes(), &[b'"'; PADDING]].concat(); 3];
        let padded = |buffer| Padded::new(buffer, text.len());
        let mut datagrams: Vec<Padded<'_>> =
            buffers.iter_mut().map(Vec::as_mut_slice).map(padded).collect();
        let mut batch = cache.batch(0, &mut datagrams);
        for _ in 0..3 {
            let mut cursor = batch.next(|_| {}).expect("a datagram");
            check(look_at_all(&mut cursor, &names, "4", gap), gap);
            assert_eq!(batch.last_bytes(), text.as_bytes());
        }
        assert!(batch.next(|_| {}).is_none(), "no fourth datagram");
    }
}

#[test]
fn predictions_and_searches_find_the_same() {
    let names: Vec<String> = (0..50).map(|n| format!("m{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut cache = knowing(&names, 1 << 20);
    for round in 0..100 {
        // In order for a while, then in another order: predictions hold, fail, and hold again.
        let number = |step: usize| if round % 20 < 10 { step } else { step * 7 % 50 };
        let order: Vec<usize> = (0..50).map(number).collect();
        let sent: Vec<&str> = order.iter().map(|&number| names[number]).collect();
        let text: String = sent.iter().map(|name| message(name, "3")).collect();
        let lookups =
            with_cursor(&mut cache, 0, &text, |cursor| look_at_all(cursor, &sent, "3", ""));
        for (lookup, number) in lookups.into_iter().zip(order) {
            is_hit(lookup, number, 3.0, message(names[number], "3").len());
        }
    }
}

#[test]
fn the_bound_evicts_what_is_not_used() {
    let each = TemplateStore::<usize>::TEMPLATE_BYTES;
    let mut cache = knowing(&["a", "b", "c", "d"], 4 * each);
    assert_eq!((cache.count(), cache.bytes()), (4, 4 * each));
    let learn_twice = |cache: &mut TemplateCache<usize>, name: &str, number| {
        let text = message(name, "1");
        assert!(!learn(cache, &text, number));
        assert!(learn(cache, &text, number));
        assert_eq!((cache.count(), cache.bytes()), (4, 4 * each));
    };
    // All were used when they came, so the first newcomer takes any place; then no other is fresh.
    learn_twice(&mut cache, "e", 4);
    let is_known = |cache: &mut TemplateCache<usize>, name: &str| {
        matches!(look(cache, 0, &message(name, "1")), Lookup::Hit(_))
    };
    let all = ["a", "b", "c", "d"];
    let kept: Vec<&str> = all.into_iter().filter(|name| is_known(&mut cache, name)).collect();
    assert_eq!(kept.len(), 3, "{kept:?}");
    learn_twice(&mut cache, "f", 5); // the hand goes past all, and none is fresh
    let used: Vec<&str> =
        kept.iter().copied().filter(|name| is_known(&mut cache, name)).take(2).collect();
    learn_twice(&mut cache, "g", 6);
    for name in used {
        assert!(is_known(&mut cache, name), "{name} was used and went");
    }
    let Lookup::Hit(Hit { id, .. }) = look(&mut cache, 0, &message("g", "1")) else { panic!() };
    with_cursor(&mut cache, 0, "", |cursor| cursor.remove(id));
    let place = each - IndexTable::ENTRY_BYTES; // vacant, but still there
    assert_eq!((cache.count(), cache.bytes()), (3, 3 * each + place));
    cache.sweep(4, |_| true);
    assert_eq!((cache.count(), cache.bytes()), (0, 0));
    assert!(!is_known(&mut cache, "g"));
}
