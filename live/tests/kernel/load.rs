//! What the tests run in groups: processes that burn CPU or touch memory.

use std::io::BufRead;
use std::process::ExitCode;

const MIB: usize = 1 << 20;
const PAGE: usize = 4096;
/// A page that takes longer was waited for.
const STALL_NS: u64 = 50_000;

/// Runs the load that the arguments name, once a line comes in.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let kind = arguments.next().unwrap_or_default();
    let numbers: Vec<usize> = arguments.filter_map(|text| text.parse().ok()).collect();
    let mut line = String::new();
    let _ = std::io::stdin().lock().read_line(&mut line);
    match (kind.as_str(), numbers.as_slice()) {
        ("burn", &[threads]) => burn(threads),
        ("touch", &[first, total]) => touch(first, total),
        ("tick", &[interval_ms, burn_us]) => tick(interval_ms as u64, burn_us as u64),
        ("idle", _) => loop {
            std::thread::park();
        },
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

/// Burns CPU on so many threads, for ever.
fn burn(threads: usize) {
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut x = 1u64;
                loop {
                    x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005) + 1);
                }
            });
        }
    });
}

/// Burns CPU for a moment, again and again.
fn tick(interval_ms: u64, burn_us: u64) -> ! {
    loop {
        let until = now() + burn_us * 1_000;
        while now() < until {}
        std::thread::sleep(std::time::Duration::from_millis(interval_ms));
    }
}

/// Touches `first` MiB and says so, then, after another line, more until it has `total`,
/// page by page from user mode. Then checks every page, and says when it stood still:
/// from when to when, as [`now`] tells.
fn touch(first: usize, total: usize) {
    // One mapping, made at once: later only faults need memory, no system calls.
    let mut memory: Vec<u8> = Vec::with_capacity(total * MIB);
    let mut stalls: Vec<(u64, u64)> = Vec::with_capacity(1 << 16);
    // Touched before it counts.
    stalls.resize(1 << 16, (1, 1));
    stalls.clear();
    grow(&mut memory, first * MIB);
    println!("touched {first}");
    let mut line = String::new();
    let _ = std::io::stdin().lock().read_line(&mut line);
    while memory.len() < total * MIB {
        let before = now();
        let next = memory.len() + PAGE;
        grow(&mut memory, next);
        let after = now();
        if after - before > STALL_NS && stalls.len() < stalls.capacity() {
            stalls.push((before, after));
        }
    }
    let whole = memory
        .chunks(PAGE)
        .enumerate()
        .all(|(page, bytes)| bytes.iter().all(|&byte| byte == mark(page)));
    println!("whole {whole}");
    let stalls = stalls.iter().map(|(from, to)| format!("{from}-{to}"));
    println!("{}", stalls.collect::<Vec<_>>().join(" "));
}

/// Nanoseconds of the kernel's monotonic clock, the same for all processes.
pub(crate) fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn grow(memory: &mut Vec<u8>, to: usize) {
    while memory.len() < to {
        let page = memory.len() / PAGE;
        memory.resize(memory.len() + PAGE, mark(page));
    }
}

/// What a page is filled with.
fn mark(page: usize) -> u8 {
    (page % 251) as u8 + 1
}
