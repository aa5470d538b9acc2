//! `tidegate load`: the live world's load generator on any HTTP server, so that it can
//! be held against others.

use std::net::ToSocketAddrs;

use hdrhistogram::Histogram;
use tidegate_core::Span;
use tidegate_live::local::load::{self, Asked, Plan, Target};
use tidegate_workloads::Load;

use crate::cli::live::{Arrivals, LoadArgs};
use crate::commands::{print, report};
use crate::error::Error;
use crate::exit::Exit;
use crate::run::Interrupt;

/// Sends the load that `args` describes, and prints what came back.
pub fn run(args: &LoadArgs) -> Exit {
    match send(args) {
        Ok(text) => {
            print(&text);
            Exit::Fine
        }
        Err(error) => report(&error),
    }
}

fn send(args: &LoadArgs) -> Result<String, Error> {
    let target = target(args)?;
    let rate = args.rate;
    let load = match args.arrivals {
        Arrivals::Fixed => Load::Fixed { rate },
        Arrivals::Exp => Load::Exponential { rate },
    };
    let plan = Plan {
        load: &load,
        connections: args.connections,
        seed: args.seed,
        duration: args.duration,
    };
    let interrupt = Interrupt::new();
    interrupt.listen();
    let sent = load::run(&target, &plan, interrupt.flag())
        .map_err(|error| Error::Internal(format!("cannot send to {}: {error}", args.url)))?;

    let mut latency = Histogram::<u64>::new_with_bounds(1, 86_400_000_000, 3)
        .map_err(|error| Error::Internal(error.to_string()))?;
    let mut failed = 0;
    for reply in &sent.replies {
        failed += u64::from(reply.failed);
        if reply.done.0 >= args.warm_up.0 {
            latency.saturating_record((reply.done.since(reply.intended).0 / 1_000).max(1));
        }
    }
    let seconds = sent.took.as_secs_f64();
    let mut lines = vec![
        format!("due        {}", sent.due),
        format!("replies    {} ({failed} failed)", sent.replies.len()),
        format!("rate       {:.1}/s", sent.replies.len() as f64 / seconds),
    ];
    let late = sent.late.0 as f64 / sent.due.max(1) as f64;
    lines.push(format!(
        "sent late  {:.3} ms mean, {:.3} ms max",
        late * 1e-6,
        sent.late.1 as f64 * 1e-6
    ));
    let mut line =
        |name: &str, micros: f64| lines.push(format!("{name:<10} {:.3} ms", micros * 1e-3));
    line("mean", latency.mean());
    for (name, quantile) in [
        ("p50", 0.5),
        ("p90", 0.9),
        ("p99", 0.99),
        ("p99.9", 0.999),
        ("max", 1.0),
    ] {
        line(name, latency.value_at_quantile(quantile) as f64);
    }
    Ok(lines.join("\n"))
}

fn target(args: &LoadArgs) -> Result<Target, Error> {
    let wrong = |what: &str| Error::Usage(format!("{}: {what}", args.url));
    let rest = args
        .url
        .strip_prefix("http://")
        .ok_or_else(|| wrong("a URL such as http://127.0.0.1:8080/path is wanted"))?;
    let (host, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let address = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let address = address
        .to_socket_addrs()
        .map_err(|error| wrong(&error.to_string()))?
        .next()
        .ok_or_else(|| wrong("there is no such host"))?;
    Ok(Target {
        address,
        request: Asked::Fixed {
            host: host.to_owned(),
            path: path.to_owned(),
            headers: args
                .header
                .iter()
                .map(|line| format!("{line}\r\n"))
                .collect(),
        },
    })
}

/// A span of the command line.
pub(crate) fn span(text: &str) -> Result<Span, String> {
    text.parse().map_err(|error| format!("{error}"))
}
