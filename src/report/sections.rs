//! What the page has to say, a section each, and what sections share.

mod cells;

mod distribution;

mod measures;

mod provenance;

mod published;

mod spread;

mod time;

use maud::{Markup, html};

use super::cells::Cells;
use super::palette::Palette;
use crate::error::Error;
use crate::results::read::Run;

pub(super) use published::Tally;

/// A run and how it is shown.
pub(super) struct Context<'a> {
    /// The run.
    pub(super) run: &'a Run,
    /// Its cells.
    pub(super) cells: Cells,
    /// Their colours.
    pub(super) palette: Palette,
}

impl<'a> Context<'a> {
    /// How `run` is shown.
    pub(super) fn new(run: &'a Run) -> Context<'a> {
        let cells = Cells::of(&run.summary);
        let palette = Palette::new(&cells.hues(), &run.manifest);
        Context {
            run,
            cells,
            palette,
        }
    }

    /// What the colours mean; nothing if there is but one.
    fn legend(&self) -> Markup {
        let styles = self.palette.styles();
        html! {
            @if styles.len() > 1 {
                ul.legend aria-label=(self.cells.hue_column().unwrap_or("colours")) {
                    @for style in styles {
                        li {
                            svg aria-hidden="true" viewBox="0 0 96 24" width="24" height="6" {
                                path d="M0 12H96" fill="none" stroke-width="10"
                                    stroke=(style.color()) stroke-dasharray=(style.dash()) {}
                            }
                            (style.name)
                        }
                    }
                }
            }
        }
    }
}

/// A section of the page.
pub(super) struct Section {
    /// What links call it.
    pub(super) id: &'static str,
    /// Its heading.
    pub(super) title: &'static str,
    /// What it says.
    pub(super) body: Markup,
}

/// All sections that the run has something for.
///
/// # Errors
/// When a table of the run is broken.
pub(super) fn all(context: &Context<'_>) -> Result<Vec<Section>, Error> {
    let sections = [
        published::section(context),
        cells::section(context)?,
        spread::section(context)?,
        distribution::section(context)?,
        time::section(context)?,
        Some(provenance::section(context)?),
    ];
    Ok(sections.into_iter().flatten().collect())
}

/// Charts that belong together, one for each panel or group of cells.
struct Part {
    title: String,
    figures: Vec<Markup>,
    /// Whether it is folded up: it is there to be looked up.
    folded: bool,
}

/// What stands above a chart of `part`: the panel, or what it shows if there is but
/// one panel.
fn caption(part: &str, panel: &str) -> String {
    match panel {
        "" => part.to_owned(),
        panel => panel.to_owned(),
    }
}

/// The parts one below the other; those of a single chart side by side.
fn arranged(parts: &[Part]) -> Markup {
    let charts = |parts: &[&Part]| {
        html! {
            div.charts {
                @for part in parts { @for figure in &part.figures { (figure) } }
            }
        }
    };
    let single = parts.iter().all(|part| part.figures.len() == 1);
    let (folded, open): (Vec<&Part>, Vec<&Part>) = parts.iter().partition(|part| part.folded);
    html! {
        @if single {
            @if !open.is_empty() { (charts(&open)) }
            @if !folded.is_empty() {
                details {
                    summary {
                        @for (index, part) in folded.iter().enumerate() {
                            @if index > 0 { ", " }
                            (part.title)
                        }
                    }
                    (charts(&folded))
                }
            }
        } @else {
            @for part in parts {
                @if part.folded {
                    details { summary { (part.title) } (charts(&[part])) }
                } @else {
                    h3 { (part.title) }
                    (charts(&[part]))
                }
            }
        }
    }
}

/// A table that scrolls by itself when it is wider than the page.
fn scrolling(label: &str, table: Markup) -> Markup {
    html! {
        div.scroll role="region" aria-label=(label) tabindex="0" { (table) }
    }
}
