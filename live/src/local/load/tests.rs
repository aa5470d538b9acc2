use super::*;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use tidegate_core::Span;

/// A server that serves each connection's requests one after the other, each in
/// `takes`.
fn server(takes: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut text = Vec::new();
                let mut buffer = [0; 4096];
                loop {
                    match stream.read(&mut buffer) {
                        Ok(0) | Err(_) => return,
                        Ok(read) => text.extend_from_slice(&buffer[..read]),
                    }
                    while let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") {
                        text.drain(..end + 4);
                        thread::sleep(takes);
                        let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                        if stream.write_all(reply).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

fn send(load: &Load, connections: u32, takes: Duration, millis: u64) -> Sent {
    let target = Target {
        address: server(takes),
        request: Asked::Calls,
    };
    let plan = Plan {
        load,
        connections,
        seed: 1,
        duration: Span::from_millis(millis),
    };
    run(&target, &plan, &AtomicBool::new(false)).unwrap()
}

#[test]
fn a_load_is_sent_at_its_times_whatever_the_server_does() {
    let load = Load::Fixed { rate: 200.0 };
    let sent = send(&load, 4, Duration::from_millis(1), 1_000);
    assert_eq!(sent.due, 200);
    assert!(sent.replies.len() > 190, "{}", sent.replies.len());
    let mut intended: Vec<u64> = sent.replies.iter().map(|reply| reply.intended.0).collect();
    intended.sort_unstable();
    assert!((0..190).all(|index| intended[index as usize] == index * 5_000_000));
}

#[test]
fn a_server_that_is_too_slow_makes_latencies_grow_not_requests_fewer() {
    // One at a time in 20 ms on each of two connections: 100 a second, half of what
    // is sent. The last one waits for half the time.
    let load = Load::Fixed { rate: 200.0 };
    let sent = send(&load, 2, Duration::from_millis(20), 1_000);
    assert_eq!(sent.due, 200);
    assert!(sent.replies.len() < 110, "{}", sent.replies.len());
    let last = sent.replies.last().unwrap();
    let latency = last.done.since(last.intended);
    assert!(latency > Span::from_millis(400), "{latency}");
}

#[test]
fn a_batch_ends_when_it_is_answered_and_a_connection_has_one_task_at_a_time() {
    let load = Load::Batch { tasks: 20 };
    let sent = send(&load, 4, Duration::from_millis(10), 10_000);
    assert_eq!((sent.due, sent.replies.len()), (20, 20));
    // Five rounds of four.
    assert!(
        (50..500).contains(&(sent.took.0 / 1_000_000)),
        "{}",
        sent.took
    );
}

#[test]
fn who_goes_away_fails_what_was_sent_and_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target {
        address: listener.local_addr().unwrap(),
        request: Asked::Calls,
    };
    // Each connection is closed after its first bytes.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().read(&mut [0; 16]);
        }
    });
    let plan = Plan {
        load: &Load::Fixed { rate: 100.0 },
        connections: 1,
        seed: 1,
        duration: Span::from_millis(300),
    };
    let sent = run(&target, &plan, &AtomicBool::new(false)).unwrap();
    assert!(sent.replies.len() > 20);
    assert!(sent.replies.iter().all(|reply| reply.failed));
}
