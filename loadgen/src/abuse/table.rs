//! The table that is printed at the end: a row for each attack, in Markdown, and what a reader should know beside it.

use std::fmt::Write as _;

use anyhow::Result;

use crate::counters::HttpCounters;
use crate::flood::FloodResult;
use crate::resource_usage::ResourceUsage;
use crate::scraper::ScrapeResults;

/// An attack and what it did.
#[derive(Clone, Debug, Default)]
pub(crate) struct AttackRow {
    pub(crate) title: &'static str,
    pub(crate) flood_result: FloodResult,
    pub(crate) scrapes: ScrapeResults,
    pub(crate) before: ResourceUsage,
    pub(crate) after: ResourceUsage,
    /// What the server's own counters have grown by.
    pub(crate) counted: HttpCounters,
    /// What else went wrong.
    pub(crate) faults: Vec<String>,
}

impl AttackRow {
    /// All that makes it fail, in words.
    fn failures(&self) -> Vec<String> {
        let mut failures = self.faults.clone();
        let ScrapeResults { made, failed, causes, .. } = &self.scrapes;
        if *failed > 0 {
            failures.push(format!("{failed} of {made} scrapes failed"));
            failures.extend(causes.iter().map(|cause| format!("a scrape: {cause}")));
        }
        if *made == 0 {
            failures.push("no scrape was made".to_owned());
        }
        failures.extend(self.after.growth(self.before));
        failures
    }

    /// The counters, or none and a fault where there is no page.
    pub(crate) fn counters_or_fault(
        &mut self,
        counters: Result<HttpCounters>,
        when: &str,
    ) -> HttpCounters {
        counters.unwrap_or_else(|error| {
            self.faults.push(format!("no page {when}: {error:#}"));
            HttpCounters::new()
        })
    }

    /// Whether the server held.
    pub(crate) fn is_ok(&self) -> bool {
        self.failures().is_empty()
    }

    fn line(&self) -> String {
        let Self { title, flood_result, scrapes, before, after, counted, .. } = self;
        let mib = |usage: &ResourceUsage| usage.resident_bytes as f64 / 1e6;
        let counted: Vec<_> = counted.iter().map(|(name, by)| format!("{name} {by}")).collect();
        format!(
            "| {title} | {} | {:.3} s | {} of {} | {} → {} | {} → {} | {:.1} → {:.1} | {} | {} |\n",
            flood_result.opened,
            scrapes.worst.as_secs_f64(),
            scrapes.failed,
            scrapes.made,
            before.threads,
            after.threads,
            before.descriptors,
            after.descriptors,
            mib(before),
            mib(after),
            counted.join(", "),
            if self.is_ok() { "ok" } else { "**FAIL**" },
        )
    }

    /// How connections were answered and ended.
    fn note(&self) -> String {
        let FloodResult { opened, closed, received, statuses, errors } = &self.flood_result;
        let mut note = format!("{closed} of {opened} ended before the attack did");
        for (status, count) in statuses.iter().take(8) {
            let status = if status.is_empty() { "no answer" } else { status };
            let _ = write!(note, ", {count} × {status}");
        }
        let _ = write!(note, ", {:.1} MB came back", *received as f64 / 1e6);
        for (error, count) in errors {
            let _ = write!(note, ", {count} could not connect: {error}");
        }
        note
    }
}

/// All rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct AttackTable {
    rows: Vec<AttackRow>,
    not_measured: Vec<String>,
}

impl AttackTable {
    pub(crate) fn push(&mut self, row: AttackRow) {
        self.rows.push(row);
    }

    /// Says of which attack there is no row, and why.
    pub(crate) fn not_measured(&mut self, cause: String) {
        self.not_measured.push(cause);
    }

    /// Whether the server held in all rows, and none is missing.
    pub(crate) fn is_ok(&self) -> bool {
        self.not_measured.is_empty() && self.rows.iter().all(AttackRow::is_ok)
    }

    /// In Markdown, with its notes.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from(
            "| attack | connections | slowest scrape | scrapes failed | threads | descriptors | resident MB | counted by the server | verdict |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            text.push_str(&row.line());
        }
        text.push('\n');
        for row in &self.rows {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "- {}: {}", row.title, row.note());
            for failure in row.failures() {
                let _ = writeln!(text, "- **{}: {failure}**", row.title);
            }
        }
        for cause in &self.not_measured {
            let _ = writeln!(text, "- **not measured: {cause}**");
        }
        text
    }
}
