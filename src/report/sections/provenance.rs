//! Where the numbers come from: the code, the scenario, the machine, and hashes of
//! the tables that the page was made from.

use std::fs;

use maud::{Markup, html};

use super::{Context, Section, scrolling};
use crate::error::Error;
use crate::report::number::{fixed, short};
use crate::results::read::{Manifest, Occasion};
use crate::scenario::file_hash;

/// The files of a run that a page is made from.
const FILES: [&str; 7] = [
    "manifest.json",
    "run.json",
    "summary.csv",
    "comparison.csv",
    "containers.csv",
    "cdf.csv",
    "series.csv",
];

/// Where the numbers come from.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn section(context: &Context<'_>) -> Result<Section, Error> {
    let folder = &context.run.folder;
    let mut files = Vec::new();
    for name in FILES {
        let path = folder.join(name);
        if path.is_file() {
            let refused = |error| Error::io("read", &path, &error);
            let bytes = fs::metadata(&path).map_err(refused)?.len();
            files.push((name, bytes, file_hash(&path).map_err(refused)?));
        }
    }
    let path = folder.join("manifest.json");
    let manifest = fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))?;
    let files = html! {
        table {
            thead { tr {
                th scope="col" { "file" }
                th.number scope="col" { "bytes" }
                th scope="col" { "SHA-256" }
            } }
            tbody {
                @for (name, length, hash) in files {
                    tr {
                        th scope="row" { (name) }
                        td.number { (fixed(length as f64, 0)) }
                        td { code { (hash) } }
                    }
                }
            }
        }
    };
    let body = html! {
        (facts(&context.run.manifest, &context.run.occasion))
        (scrolling("Files", files))
        details {
            summary { "manifest.json: all that makes the run repeatable" }
            pre tabindex="0" { (manifest) }
        }
    };
    Ok(Section {
        id: "provenance",
        title: "Provenance",
        body,
    })
}

fn facts(manifest: &Manifest, occasion: &Occasion) -> Markup {
    let code = &manifest.tidegate;
    let seeds: Vec<String> = manifest.seeds.iter().map(u64::to_string).collect();
    html! {
        dl {
            dt { "run" } dd { code { (manifest.id) } }
            dt { "code" }
            dd {
                "tidegate " (code.version) ", "
                @if let Some(commit) = &code.commit { "commit " code { (commit) } ", " }
                "sources " code { (code.sources) }
            }
            dt { "scenario" }
            dd { (manifest.scenario) ", " code { (manifest.scenario_sha256) } }
            dt { "seeds" } dd { (seeds.join(", ")) }
            @if !manifest.workloads.is_empty() {
                dt { "loads" }
                dd {
                    @for (index, (name, source)) in manifest.workloads.iter().enumerate() {
                        @if index > 0 { ", " }
                        (name) " (" (source) ")"
                    }
                }
            }
            dt { "when" } dd { (utc(occasion.began_unix_s)) }
            dt { "how" }
            dd {
                (occasion.runs) " runs in " (short(occasion.took_s)) " s on " (occasion.jobs)
                @if occasion.jobs == 1 { " thread" } @else { " threads" }
                " (" (occasion.os) ", " (occasion.architecture) "), "
                (fixed(occasion.events as f64, 0)) " events"
            }
        }
    }
}

/// A moment as people write it, to the minute. Days since 1970 to a date after
/// Hinnant, "chrono-compatible low-level date algorithms".
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        0..10 => (year + 400 * era, month + 3),
        _ => (year + 400 * era + 1, month - 9),
    };
    let (hour, minute) = (rest / 3600, rest % 3600 / 60);
    format!("{year}-{month:02}-{date:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn dates_are_right() {
        assert_eq!(utc(0), "1970-01-01 00:00 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(utc(1_795_557_365), "2026-11-24 21:56 UTC");
    }
}
