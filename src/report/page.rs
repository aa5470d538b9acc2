//! The page around the sections.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::number::fixed;
use super::sections::{self, Context, Tally};
use crate::error::Error;
use crate::results::read::Run;

/// How everything looks.
const STYLE: &str = include_str!("style.css");

/// Forbids the browser to fetch anything, whatever the tables hold.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The report of `run` as a page.
///
/// # Errors
/// When a table of the run is broken.
pub fn page(run: &Run) -> Result<String, Error> {
    let context = Context::new(run);
    let sections = sections::all(&context)?;
    let body = html! {
        (head(&context))
        nav aria-label="Sections" {
            @for section in &sections {
                a href=(format!("#{}", section.id)) { (section.title) }
            }
        }
        @for section in &sections {
            section id=(section.id) {
                h2 { (section.title) }
                (section.body)
            }
        }
    };
    Ok(document(&run.manifest.title, &context.palette.css(), &body))
}

/// A whole document around `body`.
pub(super) fn document(title: &str, css: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(concat!("tidegate ", env!("CARGO_PKG_VERSION")));
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(css)) }
            }
            body { main { (body) } }
        }
    }
    .into_string()
}

/// What was run, and what came of it.
fn head(context: &Context<'_>) -> Markup {
    let manifest = &context.run.manifest;
    let cells = &context.cells;
    let world = match manifest.world.as_str() {
        "sim" => "simulated",
        "live" => "on real machines",
        other => other,
    };
    let runs = cells.labels.len() * manifest.seeds.len();
    html! {
        header {
            p.kicker { (manifest.scenario) " · " (world) }
            h1 { (manifest.title) }
            @if let Some(description) = &manifest.description {
                p.lede { (description.trim()) }
            }
            (Tally::of(&context.run.comparison).markup())
            dl.facts {
                @for column in &cells.columns {
                    div {
                        dt { (column) }
                        dd { (values(manifest.matrix.get(column).map_or(&[], Vec::as_slice))) }
                    }
                }
                @if manifest.duration != "0s" {
                    div { dt { "duration" } dd { (manifest.duration) } }
                }
                div {
                    dt { "runs" }
                    dd {
                        (fixed(runs as f64, 0)) " (" (cells.labels.len()) " cells, "
                        (manifest.seeds.len())
                        @if manifest.seeds.len() == 1 { " seed)" } @else { " seeds)" }
                    }
                }
            }
        }
    }
}

fn values(all: &[String]) -> Markup {
    html! {
        @for (index, value) in all.iter().enumerate() {
            @if index > 0 { ", " }
            span.value { (value) }
        }
    }
}
