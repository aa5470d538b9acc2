//! A colour and a line for each of what is compared.
//!
//! An allocator has the colour of its kind in every report: Escra is blue wherever it
//! appears. Allocators of one kind differ in their dashes. Colours are told apart by
//! people who see no red or no green, and stand out from both backgrounds; the tests
//! compute it.
//!
//! Charts name a colour by its light value; the style sheet says what it is in the
//! dark, and how its lines are dashed.

use std::fmt::Write;

use plotters::style::RGBColor;

use crate::results::read::Manifest;

/// A colour on a light and on a dark page.
#[derive(Clone, Copy, Debug)]
struct Hue {
    kind: &'static str,
    light: (u8, u8, u8),
    dark: (u8, u8, u8),
}

const fn hue(kind: &'static str, light: (u8, u8, u8), dark: (u8, u8, u8)) -> Hue {
    Hue { kind, light, dark }
}

/// The colours, by the kind of allocator that has them. Others take them in this
/// order.
const HUES: [Hue; 7] = [
    hue("escra", (0, 98, 177), (78, 160, 240)),
    hue("tide", (186, 44, 10), (255, 133, 82)),
    hue("fixed", (94, 104, 119), (170, 180, 194)),
    hue("autopilot", (192, 134, 0), (240, 196, 72)),
    hue("captain", (0, 122, 94), (60, 207, 164)),
    hue("vpa", (160, 66, 148), (226, 146, 218)),
    hue("k8s-cpu", (60, 36, 12), (250, 238, 205)),
];

/// How the lines of several of one kind differ: SVG dashes in pixels.
const DASHES: [&str; 6] = ["", "7 3", "2 2.5", "9 3 2 3", "4 4", "12 3 2 2 2 3"];

/// How one of what is compared is drawn.
#[derive(Clone, Debug)]
pub(super) struct Style {
    /// Its name.
    pub(super) name: String,
    /// Its colour on a light page, and the name of its style in charts.
    pub(super) key: RGBColor,
    dark: (u8, u8, u8),
    dash: &'static str,
}

/// The styles of a report.
#[derive(Clone, Debug)]
pub(super) struct Palette {
    styles: Vec<Style>,
}

impl Palette {
    /// Styles for `names`: allocators of the run, or other things.
    pub(super) fn new(names: &[&str], manifest: &Manifest) -> Palette {
        let mut used = [0_usize; HUES.len()];
        let mut styles = Vec::new();
        for &name in names {
            let piece = manifest.pieces.get("allocator");
            let kind = piece.and_then(|pieces| pieces.get(name)?.kind());
            let known = HUES.iter().position(|hue| Some(hue.kind) == kind);
            let index = known.unwrap_or_else(|| least(&used));
            let variant = used[index];
            used[index] += 1;
            let Hue { light, dark, .. } = HUES[index];
            // Two styles of one colour must have two names: a step of blue that
            // nobody sees.
            let step = u8::try_from(variant).unwrap_or(u8::MAX);
            styles.push(Style {
                name: name.to_owned(),
                key: RGBColor(light.0, light.1, light.2.wrapping_add(step)),
                dark,
                dash: DASHES[variant % DASHES.len()],
            });
        }
        Palette { styles }
    }

    /// The style of `name`; the first one's where there is none.
    pub(super) fn style(&self, name: &str) -> Option<&Style> {
        let known = self.styles.iter().find(|style| style.name == name);
        known.or(self.styles.first())
    }

    /// All styles.
    pub(super) fn styles(&self) -> &[Style] {
        &self.styles
    }

    /// The rules that give charts their colours and dashes.
    pub(super) fn css(&self) -> String {
        let (mut light, mut dark, mut rules) = (String::new(), String::new(), String::new());
        for (index, style) in self.styles.iter().enumerate() {
            let key = hex((style.key.0, style.key.1, style.key.2));
            // Writing to a string cannot fail.
            let _ = write!(light, "--s{index}:{key};");
            let _ = write!(dark, "--s{index}:{};", hex(style.dark));
            let _ = writeln!(
                rules,
                "svg [stroke=\"{key}\"]{{stroke:var(--s{index});stroke-dasharray:{}}}\
                 svg [fill=\"{key}\"]{{fill:var(--s{index})}}",
                dashes(style.dash)
            );
        }
        format!(":root{{{light}}}\n@media(prefers-color-scheme:dark){{:root{{{dark}}}}}\n{rules}")
    }
}

impl Style {
    /// Its colour as charts name it.
    pub(super) fn color(&self) -> String {
        hex((self.key.0, self.key.1, self.key.2))
    }

    /// Its dashes in the units of a chart.
    pub(super) fn dash(&self) -> String {
        dashes(self.dash)
    }
}

/// The colour that fewest have.
fn least(used: &[usize]) -> usize {
    let fewest = used.iter().enumerate().min_by_key(|&(_, &count)| count);
    fewest.map_or(0, |(index, _)| index)
}

fn hex((red, green, blue): (u8, u8, u8)) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// Dashes in the finer units of a chart.
fn dashes(pixels: &str) -> String {
    if pixels.is_empty() {
        return "none".to_owned();
    }
    let scaled = pixels.split(' ').map(|length| {
        let length: f64 = length.parse().unwrap_or(1.0);
        (length * f64::from(super::chart::SCALE)).to_string()
    });
    scaled.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
