//! What a shell, a reader of manuals and an operator get.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::{files, read, text, tidegate};

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "elvish", "powershell"];

#[test]
fn completions_of_every_shell_know_the_verbs_and_their_options() {
    for shell in SHELLS {
        let done = tidegate(&["completions", shell]);
        assert_eq!(done.code, 0, "{shell}: {}", done.stderr);
        for word in ["coverage", "strict-published", "synthesize", "per-cell"] {
            assert!(done.stdout.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(tidegate(&["completions", "cmd"]).code, 2);
}

/// A shell itself says what it would complete.
#[test]
fn bash_completes_verbs_options_and_values() {
    let script = tidegate(&["completions", "bash"]).stdout;
    let complete = |words: &[&str]| {
        let (last, before) = (words.len() - 1, words[words.len() - 2]);
        let ask = format!(
            "{script}\nCOMP_WORDS=({})\nCOMP_CWORD={last}\n_tidegate tidegate '{}' '{before}'\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            words.join(" "),
            words[last]
        );
        let mut bash = Command::new("bash")
            .args(["--norc", "-s"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test needs bash");
        bash.stdin
            .take()
            .unwrap()
            .write_all(ask.as_bytes())
            .unwrap();
        let output = bash.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(complete(&["tidegate", "cov"]), "coverage\n");
    assert_eq!(complete(&["tidegate", "trace", "co"]), "convert\n");
    assert_eq!(
        complete(&["tidegate", "run", "--strict"]),
        "--strict-published\n"
    );
    assert_eq!(
        complete(&["tidegate", "compare", "--format", "m"]),
        "markdown\n"
    );
    assert_eq!(complete(&["tidegate", "run", "--world", ""]), "sim\nlive\n");
}

#[test]
fn there_is_a_manual_page_for_the_command_and_each_verb() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man1");
    let done = tidegate(&["man", "--out", text(&out)]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let live = ["controller", "agent", "ca", "replay"];
    let of_live = |name: &str| live.iter().any(|verb| name.contains(&format!("-{verb}")));
    let names: Vec<String> = files(&out)
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names.iter().any(|name| of_live(name)),
        cfg!(feature = "live")
    );
    let shown: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !of_live(name))
        .collect();
    insta::assert_snapshot!("pages", shown.join("\n"));
    let page = read(&out, "tidegate-trace-convert.1");
    insta::assert_snapshot!("page", page.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
    // One page alone is the same page.
    let done = tidegate(&["man", "trace", "convert"]);
    assert_eq!(done.stdout, read(&out, "tidegate-trace-convert.1"));
    assert!(tidegate(&["man"]).stdout.contains(".SH SUBCOMMANDS"));
    let done = tidegate(&["man", "walk"]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("no verb `walk`"), "{}", done.stderr);
}

/// Whatever machine this is: the numbers are its own, the shape and the code are not.
#[test]
fn the_doctor_says_what_is_missing_and_for_whom() {
    let done = tidegate(&["doctor", "--json", "--for", "live"]);
    let findings: Vec<serde_json::Value> = serde_json::from_str(&done.stdout).unwrap();
    let topics: Vec<&str> = findings
        .iter()
        .map(|finding| finding["topic"].as_str().unwrap())
        .collect();
    for topic in ["control groups", "cores", "timers", "clock"] {
        assert!(topics.contains(&topic), "{topic}: {topics:?}");
    }
    let missing = findings.iter().any(|finding| finding["state"] == "missing");
    assert_eq!(done.code, if missing { 6 } else { 0 }, "{}", done.stdout);
    for finding in &findings {
        let advised = finding["advice"] != "";
        assert_eq!(advised, finding["state"] != "ok", "{finding}");
    }
    assert_eq!(tidegate(&["doctor", "--for", "sim"]).code, 0);
}
