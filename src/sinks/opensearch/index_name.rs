//! Names of indices: a message names the index without its day, and OpenSearch takes not every name.
//!
//! Pure.

use jiff::civil::Date;

/// The index of messages that name none.
pub(super) const DEFAULT: &str = "metric-events";
/// The longest name that OpenSearch takes.
const NAME_MAX_BYTES: usize = 255;

/// The name of the index of this day; `None` if no index can have this name.
pub(super) fn of_day(template: &str, day: Date) -> Option<Box<str>> {
    let name = format!("{template}-{day}").into_boxed_str();
    is_valid(&name).then_some(name)
}

fn is_valid(name: &str) -> bool {
    const FORBIDDEN: &[char] = &['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':'];
    name.len() <= NAME_MAX_BYTES
        && !name.starts_with(['-', '_', '+'])
        && !name.contains(FORBIDDEN)
        && !name.contains(|char: char| char.is_control() || char.is_whitespace())
        && name.to_lowercase() == name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_index_can_have_are_refused() {
        let day = jiff::civil::date(2024, 10, 4);
        let long = "x".repeat(NAME_MAX_BYTES - "-2024-10-04".len());
        for template in ["a", "a.b", ".a", "a-b_c+d", "1", "größe", "日本", &long] {
            assert_eq!(of_day(template, day).as_deref(), Some(&*format!("{template}-2024-10-04")));
        }
        let longer = format!("{long}x");
        let templates = [
            "A",
            "Größe",
            "_a",
            "-a",
            "+a",
            "a/b",
            "..\\a",
            "a*",
            "a?",
            "a\"",
            "<a",
            "a>",
            "a|b",
            "a b",
            "a,b",
            "a#",
            "a:b",
            "a\n",
            "a\u{a0}b",
            "a\0",
            "../_cluster/settings?pretty#",
            &longer,
        ];
        for template in templates {
            assert_eq!(of_day(template, day), None, "{template}");
        }
    }
}
