//! How far a scenario is, in cells times seeds: a bar with the time left, or plain lines where nobody
//! watches a terminal.

use std::fmt;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// Lines are at least this far apart.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How far a run is.
#[derive(Debug)]
pub enum Progress {
    /// Nothing is shown.
    Silent,
    /// A bar.
    Bar(ProgressBar),
    /// Lines.
    Lines(Mutex<Lines>),
}

/// Progress as lines.
#[derive(Debug)]
pub struct Lines {
    name: String,
    total: usize,
    done: usize,
    began: Instant,
    last: Instant,
}

impl Progress {
    /// Progress of the scenario `name` with `total` runs.
    pub fn new(name: &str, total: usize, quiet: bool) -> Progress {
        if quiet {
            return Progress::Silent;
        }
        if std::io::stderr().is_terminal() {
            let bar =
                ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            let template = "{prefix} [{bar:32}] {pos}/{len} runs, {left} left  {wide_msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                // Before the first one is done nobody knows.
                let left = |state: &ProgressState, text: &mut dyn fmt::Write| {
                    let _ = match state.pos() {
                        0 => write!(text, "?"),
                        _ => write!(text, "{:.0}s", state.eta().as_secs_f64()),
                    };
                };
                bar.set_style(style.with_key("left", left).progress_chars("=> "));
            }
            bar.set_prefix(name.to_owned());
            bar.enable_steady_tick(Duration::from_millis(200));
            return Progress::Bar(bar);
        }
        let now = Instant::now();
        Progress::Lines(Mutex::new(Lines {
            name: name.to_owned(),
            total,
            done: 0,
            began: now,
            last: now,
        }))
    }

    /// One more run is done.
    pub fn step(&self, what: &str) {
        match self {
            Progress::Silent => {}
            Progress::Bar(bar) => {
                bar.set_message(what.to_owned());
                bar.inc(1);
            }
            Progress::Lines(lines) => {
                let Ok(mut lines) = lines.lock() else { return };
                lines.done += 1;
                let now = Instant::now();
                if lines.done == lines.total || now.duration_since(lines.last) >= LINE_EVERY {
                    lines.last = now;
                    eprintln!("{}", line(&lines, now.duration_since(lines.began)));
                }
            }
        }
    }

    /// The run is over.
    pub fn end(&self) {
        if let Progress::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn line(lines: &Lines, taken: Duration) -> String {
    let left = taken.as_secs_f64() / lines.done as f64 * (lines.total - lines.done) as f64;
    if lines.done == lines.total {
        format!(
            "{}: {}/{} runs in {:.1} s",
            lines.name,
            lines.done,
            lines.total,
            taken.as_secs_f64()
        )
    } else {
        format!(
            "{}: {}/{} runs, {left:.0} s left",
            lines.name, lines.done, lines.total
        )
    }
}
