//! The page before several reports: a line for each run of a folder.

use maud::html;

use super::page::document;
use super::sections::Tally;
use crate::results::read::Run;

/// A page that leads to the report of each run: `runs` with the link to its page.
pub fn index(runs: &[(String, Run)]) -> String {
    let all: Vec<_> = runs
        .iter()
        .flat_map(|(_, run)| run.comparison.clone())
        .collect();
    let body = html! {
        header {
            p.kicker { (runs.len()) " runs" }
            h1 { "Tidegate: reports" }
            (Tally::of(&all).markup())
        }
        section {
            h2 { "Runs" }
            ul.runs {
                @for (link, run) in runs {
                    li {
                        a href=(link) { (run.manifest.title) }
                        p.note { (run.manifest.scenario) " · " (run.occasion.runs) " runs" }
                        (Tally::of(&run.comparison).markup())
                    }
                }
            }
        }
    };
    document("Tidegate: reports", "", &body)
}
