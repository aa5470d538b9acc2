//! What the tests run in groups: processes that burn CPU or touch memory.

use std::io::BufRead;
use std::process::ExitCode;
use std::time::Instant;

const MIB: usize = 1 << 20;
const PAGE: usize = 4096;

/// Runs the load that the arguments name, once a line comes in.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let kind = arguments.next().unwrap_or_default();
    let numbers: Vec<usize> = arguments.filter_map(|text| text.parse().ok()).collect();
    let mut line = String::new();
    let _ = std::io::stdin().lock().read_line(&mut line);
    match (kind.as_str(), numbers.as_slice()) {
        ("burn", &[threads]) => burn(threads),
        ("touch", &[first, total]) => touch(first, total),
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

/// Touches `first` MiB and says so, then, after another line, more until it has `total`,
/// page by page from user mode. Then checks every page, and says how long it stood still
/// at most.
fn touch(first: usize, total: usize) {
    // One mapping, made at once: later only faults need memory, no system calls.
    let mut memory: Vec<u8> = Vec::with_capacity(total * MIB);
    grow(&mut memory, first * MIB);
    println!("touched {first}");
    let mut line = String::new();
    let _ = std::io::stdin().lock().read_line(&mut line);
    let mut longest = 0;
    while memory.len() < total * MIB {
        let before = Instant::now();
        let next = memory.len() + PAGE;
        grow(&mut memory, next);
        longest = longest.max(before.elapsed().as_micros());
    }
    let whole = memory
        .chunks(PAGE)
        .enumerate()
        .all(|(page, bytes)| bytes.iter().all(|&byte| byte == mark(page)));
    println!("whole {whole} longest_us {longest}");
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
