//! Throttle events: told by the kernel where it loads the program that
//! `TIDEGATE_THROTTLE_PROGRAM` names (and it must, with `TIDEGATE_BPF=required`), else
//! found by sampling.

use std::path::PathBuf;
use std::time::Duration;

use tidegate_core::{Bytes, Cores, Limits, Observation, Span};
use tidegate_live::agent::{Config, Notice, Wants};
use tidegate_live::cgroup::{Group, Hierarchies};

use crate::Test;
use crate::group::{Load, Scratch};
use crate::probe::{A, HOST, Probe};

pub(crate) const TESTS: &[Test] = &[(
    "bpf::throttles_are_told_and_a_refusal_is_said_once",
    throttles_are_told,
)];

fn throttles_are_told(hierarchies: &Hierarchies) {
    let program = std::env::var_os("TIDEGATE_THROTTLE_PROGRAM").map(PathBuf::from);
    let required = std::env::var("TIDEGATE_BPF").is_ok_and(|value| value == "required");
    let scratch = Scratch::new(hierarchies, "bpf");
    let mut probe = Probe::with(Config {
        throttle_program: Some(program.unwrap_or_else(|| "/nonexistent".into())),
        ..Config::new(HOST)
    });
    let wants = Wants {
        periods: true,
        throttles: true,
        ..Wants::default()
    };
    probe.session(wants, None, Span::from_secs(60));
    let limits = Limits {
        cpu: Cores::from_millis(200),
        memory: Bytes::from_mib(64),
    };
    probe.admit(A, scratch.group(), limits);
    let group = Group::adopt(hierarchies, &scratch.path, 0).unwrap();
    let _load = Load::start(&group, &["burn", "1"]);
    let before = group.cpu_stat().unwrap().throttled;
    let mut told = Vec::new();
    let notices = probe.collect(Duration::from_secs(2));
    let refusals: Vec<_> = notices
        .iter()
        .filter_map(|notice| match notice {
            Notice::Sampling(error) => Some(error.to_string()),
            _ => None,
        })
        .collect();
    for notice in &notices {
        let Notice::Seen(seen) = notice else {
            continue;
        };
        for observation in seen {
            if let Observation::Throttled { seq, used, .. } = *observation {
                told.push(used);
                assert_eq!(seq, told.len() as u64);
            }
        }
    }
    let throttled = group.cpu_stat().unwrap().throttled - before;
    // What the agent is late by is missing.
    told.sort_unstable();
    let used = told[told.len() / 2];
    assert!(used >= Span::from_millis(16), "{told:?}");
    let told = told.len() as u64;
    assert!(
        told >= 10 && told.abs_diff(throttled) <= 3,
        "{told} of {throttled}"
    );
    match refusals.as_slice() {
        [] => println!("the kernel tells of throttles"),
        [why] if !required => println!("{why}"),
        _ => panic!("refused: {refusals:?}"),
    }
}
