use super::*;
use proptest::prelude::*;
use std::path::PathBuf;

fn parse(text: &str) -> Result<Load, FileError> {
    Load::parse(Path::new("loads/x.toml"), text, 1)
}

fn message(text: &str) -> String {
    let message = parse(text).unwrap_err().to_string();
    message.replacen("loads/x.toml:", "", 1)
}

fn scenario(name: &str, seed: u64) -> Load {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scenarios/workloads");
    let path = folder.join(format!("{name}.toml"));
    file::read_text(&path)
        .and_then(|text| Load::parse(&path, &text, seed))
        .unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_loads_of_the_escra_paper() {
    assert_eq!(scenario("fixed", 1), Load::Fixed { rate: 400.0 });
    assert_eq!(scenario("exp", 1), Load::Exponential { rate: 300.0 });
    let burst = Load::Burst {
        base: 50.0,
        burst: 600.0,
        length: Span::from_secs(10),
        period: Span::from_secs(20),
        scale: 2.67,
    };
    assert_eq!(scenario("burst", 1), burst);
    assert_eq!(burst.provenance(), "formula");
    let alibaba = scenario("alibaba", 1);
    assert_eq!(alibaba.provenance(), "generated");
    let Load::Steps { rates, step, .. } = &alibaba else {
        panic!("{alibaba:?}");
    };
    assert_eq!((rates.len(), *step), (30, Span::from_secs(6)));
    let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = rates.iter().copied().fold(0.0, f64::max);
    assert_eq!((least, largest), (56.0 * 2.3, 548.0 * 2.3));
    assert_eq!(scenario("alibaba", 1), alibaba);
    assert_ne!(scenario("alibaba", 2), alibaba);
}

const TRACE: &str = r#"
kind = "alibaba"
step = "60s"
speed = 10
file = "rates.csv"
format = "alibaba-microservices-v2021-msrtqps"
"#;

#[test]
fn a_trace_is_read_from_beside_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "0,a,a1,HTTP_MCR,10\n0,a,a2,HTTP_MCR,20\n0,a,a1,HTTP_RT,999\n\
                60000,a,a1,HTTP_MCR,50\n120000,a,a1,providerRPC_MCR,7\n";
    std::fs::write(folder.path().join("rates.csv"), rows).unwrap();
    let path = folder.path().join("load.toml");
    let rates = |more: &str| match Load::parse(&path, &format!("{TRACE}{more}"), 1) {
        Ok(Load::Steps {
            rates,
            step,
            source,
        }) => {
            assert_eq!((step, &*source), (Span::from_secs(6), "rates.csv"));
            rates.to_vec()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(rates("absolute = true"), [30.0, 50.0]);
    assert_eq!(rates("absolute = true\nscale = 2"), [60.0, 100.0]);
    assert_eq!(rates("low = 56\nhigh = 548"), [56.0, 548.0]);
    assert_eq!(
        rates("absolute = true\nmetric = \"providerRPC_MCR\""),
        [7.0]
    );

    let error = Load::parse(
        &path,
        &format!("{TRACE}absolute = true\nmetric = \"none\""),
        1,
    );
    assert_eq!(error.unwrap_err().message, "has no value where metric=none");
    std::fs::remove_file(folder.path().join("rates.csv")).unwrap();
    let error = Load::parse(&path, &format!("{TRACE}absolute = true"), 1).unwrap_err();
    assert_eq!(
        (error.message.as_str(), error.path),
        ("no such file", folder.path().join("rates.csv"))
    );
}

#[test]
fn a_wrong_file_says_what_would_be_right() {
    assert_eq!(message("rate = 3"), "1:1: missing key `kind`");
    assert_eq!(
        message("kind = \"fixd\"\nrate = 3"),
        "1:8: unknown value `fixd`\n  help: did you mean `fixed`?"
    );
    assert_eq!(
        message("kind = \"fixed\"\nrat = 3"),
        "2:1: unknown key `rat`\n  help: did you mean `rate`?"
    );
    // A key of another kind.
    assert_eq!(
        message("kind = \"fixed\"\nrate = 3\nscale = 2"),
        "3:1: unknown key `scale`\n  help: expected `kind` or `rate`"
    );
    for wrong in ["0", "-1", "nan", "inf", "1e9"] {
        let message = message(&format!("kind = \"exponential\"\nrate = {wrong}"));
        assert!(
            message.starts_with("2:8: `rate` must be from 0.001 to 10000000, not"),
            "{message}"
        );
    }
    assert_eq!(
        message("kind = \"burst\"\nbase = 1\nburst = 1\nlength = \"3s\"\nperiod = \"2s\""),
        "4:10: `length` must be at most `period`, 2s, not 3s"
    );
    assert_eq!(
        message("kind = \"alibaba\"\nlow = 2\nhigh = 1\nstep = \"60s\""),
        "2:7: `low` must not be above `high`, 1, but is 2"
    );
    assert_eq!(
        message("kind = \"alibaba\"\nlow = 2\nstep = \"60s\""),
        " missing key `high`"
    );
    assert_eq!(
        message("kind = \"alibaba\"\nlow = 1\nhigh = 2\nstep = \"1ms\"\nspeed = 10"),
        "4:8: `step` / `speed` must be at least 1ms, not 100us"
    );
    assert_eq!(
        message("kind = \"alibaba\"\nlow = 1\nhigh = 2\nstep = \"1s\"\nabsolute = true"),
        "5:12: `absolute` needs a `file`"
    );
    assert!(
        message(&TRACE.replace("-msrtqps", "-mrtqps"))
            .contains("did you mean `alibaba-microservices-v2021-msrtqps`?")
    );
    assert!(
        message(&TRACE.replace("format", "#"))
            .contains("a `file` needs a `format`\n  help: one of `alibaba-v2017")
    );
    assert!(
        message(&TRACE.replace("60s", "6s"))
            .contains("`step` must be at least the trace's interval, 60s")
    );
    let utilisation = TRACE.replace("msrtqps", "node") + "absolute = true";
    assert!(message(&utilisation).contains("has no rates, only utilisation"));
    assert!(message(&format!("{TRACE}steps = 3")).contains("`steps` has no use beside a `file`"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        kind in "fixed|exponential|burst|alibaba",
        keys in proptest::collection::vec(
            ("rate|base|burst|length|period|scale|low|high|step|speed|steps", "[0-9]{1,4}|-1|nan|1e300|\"[0-9]{1,9}(ns|ms|s|h)\""),
            0..8,
        ),
    ) {
        let mut text = format!("kind = \"{kind}\"\n");
        for (key, value) in keys {
            text += &format!("{key} = {value}\n");
        }
        if let Ok(load) = parse(&text) {
            let rate = load.mean_rate(Span::from_secs(180));
            prop_assert!(rate.is_finite() && rate > 0.0);
        }
    }
}

#[test]
fn a_closed_loop_is_a_schedule_of_threads() {
    let load = parse("kind = \"closed\"\nthreads = [1, 4, 0]\nstep = \"10s\"").unwrap();
    let threads = Concurrency::new(&[1, 4, 0], Span::from_secs(10)).unwrap();
    assert_eq!(load, Load::Closed(threads));
    // Its connections are its threads, whatever the client has.
    assert_eq!(load.connections(10), 4);
    assert_eq!(Load::Fixed { rate: 1.0 }.connections(10), 10);
    assert_eq!(
        message("kind = \"closed\"\nthreads = [0]\nstep = \"10s\""),
        "2:11: `threads` needs a step with at least one thread"
    );
    assert_eq!(
        message("kind = \"closed\"\nthreads = [1, -1]\nstep = \"10s\""),
        "2:15: `threads` must be from 0 to 10000, not -1"
    );
}
