//! The examples at the end of each verb's help: `Examples:` and then one line per
//! example, indented by two. Manual pages show them in a section of their own.

use clap::Command;

const HEAD: &str = "Examples:\n";

/// What stands after the options in the help of `command`: its notes, and the lines of
/// its examples, both as they are written there.
pub fn split(command: &Command) -> (String, Vec<String>) {
    let text = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    match text.split_once(HEAD) {
        Some((notes, examples)) => {
            let lines = examples.lines().map(|line| line.trim().to_owned());
            (notes.trim().to_owned(), lines.collect())
        }
        None => (text.trim().to_owned(), Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::Cli;

    /// All verbs without verbs of their own, by what is typed.
    fn leaves(command: &Command, typed: &str, found: &mut Vec<(String, Command)>) {
        for verb in command.get_subcommands() {
            let typed = format!("{typed} {}", verb.get_name());
            // `run` starts it, nobody types it.
            if typed == "tidegate service" {
                continue;
            }
            if verb.has_subcommands() {
                leaves(verb, &typed, found);
            } else {
                found.push((typed, verb.clone()));
            }
        }
    }

    /// Refuses a line that the command line would refuse, or that names a scenario which
    /// is not there.
    fn sound(line: &str) {
        let words = shlex::split(line).unwrap_or_else(|| panic!("no words: {line}"));
        let words: Vec<String> = words
            .into_iter()
            .take_while(|word| !["|", ">", "&&"].contains(&word.as_str()))
            .collect();
        // Help that is asked for comes as an error too.
        if let Err(error) = Cli::try_parse_from(&words)
            && error.use_stderr()
        {
            panic!("{line}\n{error}");
        }
        for word in words.iter().filter(|word| word.starts_with("scenarios")) {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(word);
            assert!(path.exists(), "{line}: there is no {word}");
        }
    }

    #[test]
    fn every_verb_has_examples_and_all_of_them_are_sound() {
        let mut verbs = Vec::new();
        leaves(&Cli::command(), "tidegate", &mut verbs);
        assert!(verbs.len() >= 16, "{}", verbs.len());
        for (typed, verb) in verbs {
            let (_, examples) = split(&verb);
            let own = |line: &&String| line.starts_with(&typed);
            assert!(examples.iter().any(|line| own(&line)), "{typed}: none");
            examples.iter().for_each(|line| sound(line));
        }
    }

    /// Commands in the documentation that begin a line of a block, or are all of a text
    /// in backquotes, and leave nothing to be filled in.
    #[test]
    fn commands_in_the_documentation_are_sound() {
        let live = ["controller", "agent", "ca", "replay", "load"];
        let mut seen = 0;
        for file in [
            "README.md",
            "docs/live.md",
            "docs/reproduction.md",
            "docs/shell.md",
            "results/README.md",
        ] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            let text = std::fs::read_to_string(path).unwrap();
            let blocks = text.lines().filter_map(|line| line.strip_prefix("    "));
            let quoted = text.split('`').skip(1).step_by(2);
            for line in blocks.chain(quoted) {
                let line = line.replace("target/release/tidegate ", "tidegate ");
                let Some(verb) = line.strip_prefix("tidegate ") else {
                    continue;
                };
                let verb = verb.split(' ').next().unwrap_or_default();
                let open =
                    line.contains("...") || line.contains('…') || !line.contains(['-', '/', '.']);
                if open || (live.contains(&verb) && cfg!(not(feature = "live"))) {
                    continue;
                }
                sound(&line);
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen}");
    }
}
