//! `tidegate bench`: references that stand, and planted changes that do not.

use std::fs;
use std::path::Path;

use crate::{read, text, tidegate};

fn reference(folder: &Path) {
    fs::write(
        folder.join("gates.toml"),
        "[[gate]]\nname = \"small\"\nscenario = \"tests/fixtures/small.toml\"\n\
         set = [\"run.seeds=1\"]\nfilter = [\"application=single\"]\n",
    )
    .unwrap();
}

#[test]
fn one_event_more_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    reference(folder.path());
    let bench = |what: &str| {
        let at = text(folder.path());
        tidegate(&["bench", what, "--tier", "1", "--reference", at])
    };
    let done = bench("--check");
    assert_eq!(done.code, 4, "{}", done.stderr);
    assert!(
        done.stderr.contains("there is no reference"),
        "{}",
        done.stderr
    );
    let done = bench("--bless");
    assert_eq!(done.code, 0, "{}", done.stderr);
    // An unchanged tree stands each time.
    for _ in 0..10 {
        let done = bench("--check");
        assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    }
    let counters = read(folder.path(), "small/counters.csv");
    let line = counters.lines().nth(1).unwrap();
    let (head, events) = line.rsplit_once(',').unwrap();
    let events: u64 = events.parse().unwrap();
    let planted = counters.replacen(line, &format!("{head},{}", events + 1), 1);
    fs::write(folder.path().join("small/counters.csv"), planted).unwrap();
    let done = bench("--check");
    assert_eq!(done.code, 11, "{}", done.stdout);
    assert!(
        done.stdout.contains("counters.csv    FELL"),
        "{}",
        done.stdout
    );
    assert!(done.stderr.contains("1 of 3 gates fell"), "{}", done.stderr);

    let platform = read(folder.path(), "platform.json");
    let other = platform.replacen("\"os\": \"", "\"os\": \"other-", 1);
    fs::write(folder.path().join("platform.json"), other).unwrap();
    let done = bench("--check");
    assert_eq!(done.code, 4, "{}", done.stderr);
    assert!(
        done.stderr.contains("of another platform"),
        "{}",
        done.stderr
    );
    assert_eq!(tidegate(&["bench"]).code, 2);
    assert_eq!(tidegate(&["bench", "--check", "--bless"]).code, 2);
    let done = tidegate(&["bench", "--check", "--reference", "tests"]);
    assert_eq!(done.code, 3, "{}", done.stderr);
}
