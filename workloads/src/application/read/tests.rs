use super::*;
use proptest::prelude::*;
use tidegate_core::Limits;

const MINIMAL: &str = r#"
[runtimes.go]
threads = 64
order = "fifo"
path_share = 0.5
sigma = 0.5
start_time = "1s"
working_set = "0.25 MiB"

[services.front]
runtime = "go"
profile = { cpu_15x = "3 cores", memory_15x = "60 MiB" }
memory = { start = "30 MiB" }

[services.back]
runtime = "go"
threads = 2
order = "lifo"
path_share = 1
warm_up = { factor = 2, calls = 100, compile = "5s" }
profile = { cpu_15x = "0.3 cores", memory_15x = "25 MiB" }
idle = "0.01 cores"
memory = { start = "5 MiB", per_call = "1 KiB", ceiling = "9 MiB", working_set = "1 MiB", heap_share = 0.5 }

[[requests]]
name = "read"
weight = 3
failure_share = 0.25
call = { to = "front", op = "GET /", cpu = "2 ms", stages = [
  [{ to = "back", op = "get", cpu = "1 ms", repeat = 2, stages = [
    [{ to = "front", op = "again", cpu = "10 ms", repeat = 3 }],
  ] }],
] }
detached = [{ to = "back", op = "log", cpu = "4 ms" }]

[[requests]]
name = "ping"
weight = 1
call = { to = "front", op = "GET /ping", cpu = "1 ms" }
"#;

fn parse(text: &str) -> Result<Application, FileError> {
    Application::parse(Path::new("apps/x.toml"), text)
}

/// What is said when `from` is replaced by `to`, without the file's name.
fn message(from: &str, to: &str) -> String {
    assert!(MINIMAL.contains(from), "{from}");
    let error = parse(&MINIMAL.replacen(from, to, 1)).unwrap_err();
    assert_eq!(error.path, Path::new("apps/x.toml"));
    error.to_string().replacen("apps/x.toml:", "", 1)
}

#[test]
fn copies_stand_side_by_side_and_share_the_load() {
    let one = parse(MINIMAL).unwrap();
    let three = parse(&format!("copies = 3\n{MINIMAL}")).unwrap();
    let names: Vec<&str> = three.services.iter().map(|s| s.name.as_str()).collect();
    let expected = ["front", "back", "front-2", "back-2", "front-3", "back-3"];
    assert_eq!(names, expected);
    assert_eq!(three.requests.len(), 6);
    let last = &three.requests[4];
    assert_eq!(last.name, "read-3");
    assert_eq!(last.share, one.requests[0].share / 3.0);
    assert_eq!((last.root.service, last.detached[0].service), (4, 5));
    // Front calls back, and back front, of the same copy.
    let back = &last.root.stages[0][0];
    assert_eq!((back.service, back.stages[0][0].service), (5, 4));
    assert_eq!(three.services[..2], one.services);

    let error = parse(&format!("copies = 5001\n{MINIMAL}")).unwrap_err();
    assert!(error.to_string().contains("copies"), "{error}");
}

#[test]
fn names_are_resolved_and_defaults_filled_in() {
    let app = parse(MINIMAL).unwrap();
    assert_eq!(app.name, "x");
    // In the order of the file, not of the alphabet.
    assert_eq!((app.find("front"), app.find("back")), (Some(0), Some(1)));
    assert_eq!(app.find("none"), None);
    let [front, back] = app.services.as_slice() else {
        panic!("two services");
    };
    assert_eq!(front.idle, Cores::ZERO);
    assert_eq!(front.memory.working_set, Bytes::from_mib_f64(0.25));
    assert_eq!((front.memory.ceiling, front.memory.heap_share), (None, 0.0));
    assert_eq!(
        (front.runtime.threads, front.runtime.order),
        (64, Order::Fifo)
    );
    assert_eq!(front.runtime.warm_up, None);
    assert_eq!((back.runtime.threads, back.runtime.order), (2, Order::Lifo));
    assert_eq!((back.runtime.path_share, back.runtime.sigma), (1.0, 0.5));
    assert_eq!(
        back.runtime.warm_up.map(|warm_up| warm_up.calls),
        Some(100.0)
    );
    assert_eq!(back.memory.working_set, Bytes::from_mib(1));
    let [read, ping] = app.requests.as_slice() else {
        panic!("two requests");
    };
    assert_eq!((read.share, ping.share), (0.75, 0.25));
    assert_eq!((read.failure_share, ping.failure_share), (0.25, 0.0));
    assert_eq!(read.root.stages[0][0].repeat, 2);
    assert_eq!(read.detached[0].service, 1);
}

#[test]
fn demand_counts_repeats_of_the_caller() {
    let demand = parse(MINIMAL).unwrap().demand();
    let close = |left: f64, right: f64| assert!((left - right).abs() < 1e-12, "{left} {right}");
    // read: 1 + 2 * 3 calls of front, 2 + 1 of back; ping: 1 of front.
    close(demand[0].calls, 0.75 * 7.0 + 0.25);
    close(demand[0].cpu_s, 0.75 * 0.062 + 0.25 * 0.001);
    close(demand[1].calls, 0.75 * 3.0);
    close(demand[1].cpu_s, 0.75 * 0.006);
}

#[test]
fn limits_follow_the_level_down_to_the_floor() {
    let profile = parse(MINIMAL).unwrap().services[0].limits;
    let at = |level| profile.at(level, Cores::from_millis(1_800), Bytes::from_mib(25));
    let limits = |cpu, memory| Limits {
        cpu: Cores::from_millis(cpu),
        memory: Bytes::from_mib(memory),
    };
    assert_eq!(at(1.5), limits(3_000, 60));
    assert_eq!(at(1.0), limits(2_000, 40));
    assert_eq!(at(0.75), limits(1_800, 30));
    assert_eq!(at(f64::NAN), limits(1_800, 25));
}

#[test]
fn an_unknown_name_is_placed_and_a_near_one_suggested() {
    assert_eq!(
        message("to = \"back\"", "to = \"bakc\""),
        "30:11: there is no service `bakc`\n  help: did you mean `back`?"
    );
    assert_eq!(
        message("runtime = \"go\"", "runtime = \"rust\""),
        "11:11: there is no runtime `rust`\n  help: expected `go`"
    );
    assert_eq!(
        message("path_share = 1\n", "path_shar = 1\n"),
        "19:1: unknown key `path_shar`\n  help: did you mean `path_share`?"
    );
    assert_eq!(
        message("op = \"get\"", "opp = \"get\""),
        "30:19: unknown key `opp`\n  help: did you mean `op`?"
    );
    assert_eq!(
        message("order = \"lifo\"", "order = \"random\""),
        "18:9: unknown value `random`\n  help: expected `fifo` or `lifo`"
    );
}

#[test]
fn a_number_out_of_range_is_refused() {
    let cases = [
        (
            "weight = 3",
            "weight = 0",
            "`weight` must be above 0, up to 1000000000, not 0",
        ),
        (
            "weight = 3",
            "weight = -1.5",
            "`weight` must be above 0, up to 1000000000, not -1.5",
        ),
        (
            "weight = 3",
            "weight = nan",
            "`weight` must be above 0, up to 1000000000, not NaN",
        ),
        (
            "sigma = 0.5",
            "sigma = inf",
            "`sigma` must be from 0 to 5, not inf",
        ),
        (
            "path_share = 0.5",
            "path_share = 1.1",
            "`path_share` must be from 0 to 1, not 1.1",
        ),
        (
            "share = 0.25",
            "share = -0.1",
            "`failure_share` must be from 0 to 1, not -0.1",
        ),
        (
            "heap_share = 0.5",
            "heap_share = 1",
            "`heap_share` must be from 0 to 0.95, not 1",
        ),
        (
            "threads = 64",
            "threads = 0",
            "`threads` must be from 1 to 10000, not 0",
        ),
        (
            "threads = 2",
            "threads = 10001",
            "`threads` must be from 1 to 10000, not 10001",
        ),
        (
            "repeat = 2",
            "repeat = 0",
            "`repeat` must be from 1 to 1000000, not 0",
        ),
        (
            "repeat = 2",
            "repeat = -9",
            "`repeat` must be from 1 to 1000000, not -9",
        ),
        (
            "factor = 2",
            "factor = 0.9",
            "`factor` must be from 1 to 1000, not 0.9",
        ),
        (
            "\"9 MiB\"",
            "\"4 MiB\"",
            "`ceiling` must not be under `start`, 5 MiB",
        ),
        ("\"3 cores\"", "\"0 cores\"", "`cpu_15x` must be above zero"),
        (
            "\"3 cores\"",
            "\"1e9 cores\"",
            "\"1e9 cores\" is not an amount of CPU",
        ),
        (
            "\"3 cores\"",
            "\"200000 cores\"",
            "`cpu_15x` must be at most 10000 cores",
        ),
        (
            "\"60 MiB\"",
            "\"999999999 MiB\"",
            "`memory_15x` must be at most 4194304 MiB",
        ),
        (
            "cpu = \"2 ms\"",
            "cpu = \"2h\"",
            "`cpu` must be at most 3600s, not 7200s",
        ),
        (
            "cpu = \"2 ms\"",
            "cpu = \"-2 ms\"",
            "\"-2 ms\" is not a duration",
        ),
        (
            "\"ping\"",
            "\"read\"",
            "there are two requests named `read`",
        ),
        ("\"ping\"", "\" \"", "a name must not be empty"),
        (
            "repeat = 3",
            "repeat = 500000",
            "the request makes more than 1000000 calls",
        ),
        (
            "[{ to = \"front\", op = \"again\", cpu = \"10 ms\", repeat = 3 }],",
            "[]",
            "a stage without calls",
        ),
        (
            "idle = \"0.01 cores\"",
            "idle = 0.01",
            "expected text in quotes, found floating point `0.01`",
        ),
    ];
    for (from, to, expected) in cases {
        let message = message(from, to);
        let position = message
            .splitn(3, ':')
            .take(2)
            .all(|number| number.parse::<u32>().is_ok());
        assert!(position, "{message}");
        assert!(
            message.contains(expected),
            "{message:?}, expected {expected:?}"
        );
    }
}

#[test]
fn an_application_needs_services_and_requests() {
    let runtimes = "[runtimes]\n";
    let message = |text: &str| parse(&format!("{runtimes}{text}")).unwrap_err().message;
    assert_eq!(message("[services]\n"), "missing key `requests`");
    assert_eq!(message("[[requests]]\n"), "missing key `name`");
    assert_eq!(
        parse("requests = []\n[services]\n[runtimes]\n")
            .unwrap_err()
            .message,
        "there are no services"
    );
    let without = MINIMAL.split("[[requests]]").next().unwrap();
    let without = format!("requests = []\n{without}");
    assert_eq!(
        parse(&without).unwrap_err().message,
        "there are no requests"
    );
}

/// A world may number threads, stages and the calls of a stage with 16 bits.
#[test]
fn stages_and_their_calls_are_bounded() {
    let ping = r#"{ to = "front", op = "GET /ping", cpu = "1 ms" }"#;
    let call = r#"{ to = "back", op = "", cpu = "1 ms" }"#;
    let with = |stages: String| {
        let call = format!(r#"{{ to = "front", op = "", cpu = "1 ms", stages = [{stages}] }}"#);
        parse(&MINIMAL.replace(ping, &call))
    };
    let wide = |calls: usize| with(format!("[{}]", [call].repeat(calls).join(", ")));
    assert!(wide(10_000).is_ok());
    let error = wide(10_001).unwrap_err();
    assert_eq!(error.message, "a stage has at most 10000 calls");
    assert!(error.line.is_some());

    let long = |stages: usize| with(vec![format!("[{call}]"); stages].join(", "));
    assert!(long(10_000).is_ok());
    let error = long(10_001).unwrap_err();
    assert_eq!(error.message, "a call has at most 10000 stages");
    assert!(error.line.is_some());
}

#[test]
fn calls_nested_too_deep_are_refused() {
    let nested = |depth: usize| {
        let call = r#"{ to = "front", op = "", cpu = "1 ms", stages = [["#;
        let last = r#"{ to = "front", op = "", cpu = "1 ms" }"#;
        let deep = format!(
            "{}{last}{}",
            call.repeat(depth - 1),
            "]] }".repeat(depth - 1)
        );
        let ping = r#"{ to = "front", op = "GET /ping", cpu = "1 ms" }"#;
        parse(&MINIMAL.replace(ping, &deep))
    };
    assert!(nested(16).is_ok());
    assert_eq!(
        nested(17).unwrap_err().message,
        "calls are nested deeper than 16"
    );
    // Here the parser itself gives up.
    assert!(nested(10_000).is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        let _ = parse(&text);
    }

    /// Pieces of a good file in any order are closer to one than any text.
    #[test]
    fn any_change_is_read_or_refused(
        cuts in proptest::collection::vec((0..MINIMAL.len(), 0..60usize), 0..4),
        insert in "[\\[\\]{}=\"\n,.0-9a-z -]{0,20}|-1|nan|1e300|9223372036854775807",
    ) {
        let mut text = MINIMAL.to_owned();
        for (start, length) in cuts {
            let start = start.min(text.len());
            let end = (start + length).min(text.len());
            text.replace_range(start..end, &insert);
        }
        if let Ok(app) = parse(&text) {
            let sum: f64 = app.requests.iter().map(|request| request.share).sum();
            prop_assert!((sum - 1.0).abs() < 1e-9);
            app.demand();
        }
    }
}
