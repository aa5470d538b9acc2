//! The report of a run: one HTML file that stands alone.
//!
//! No script, no font and no picture is fetched, and a policy in its head forbids
//! the browser to try; charts are SVG within the page. The same folder gives the same
//! bytes: the page says when the run was, not when the page was made. Modules in the
//! order in which data flows:
//!
//! - `cells`: which cells there are and how they are told apart.
//! - `palette`: a colour and a line for each of what is compared.
//! - `number`: numbers and units as people read them.
//! - `axis`, `chart`: the plane that charts are drawn on.
//! - `lines`, `boxes`: the charts.
//! - `sections`: what the page has to say.
//! - `page`: the page around them; `index`: the one before several.

mod cells;

mod palette;

mod number;

mod axis;

mod chart;

mod lines;

mod boxes;

mod sections;

mod page;

mod index;

pub use index::index;
pub use page::page;
