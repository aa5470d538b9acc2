//! One line of the doctor's: what was found, what that means, what would mend it.

use serde::Serialize;

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing to mend.
    Ok,
    /// It works; numbers or limits suffer.
    Warning,
    /// Somebody cannot work without it.
    Missing,
}

/// Who needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// Simulated runs
    Sim,
    /// Times that are compared (tidegate bench, cargo bench)
    Bench,
    /// Runs on this host (--world live, tidegate agent)
    Live,
}

impl Use {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Use::Sim => "sim",
            Use::Bench => "bench",
            Use::Live => "live",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub topic: &'static str,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub found: String,
    /// Whom it concerns.
    pub concerns: &'static [Use],
    /// What it means for them, and what would mend it; empty where all is well.
    pub advice: String,
}

impl Finding {
    /// All is well.
    pub fn ok(topic: &'static str, concerns: &'static [Use], found: impl Into<String>) -> Finding {
        Finding {
            topic,
            state: State::Ok,
            found: found.into(),
            concerns,
            advice: String::new(),
        }
    }

    /// The same, but not well.
    pub fn but(self, state: State, advice: impl Into<String>) -> Finding {
        Finding {
            state,
            advice: advice.into(),
            ..self
        }
    }

    /// Whether `what` cannot work.
    pub fn forbids(&self, what: Option<Use>) -> bool {
        self.state == State::Missing && what.is_none_or(|what| self.concerns.contains(&what))
    }
}
