//! One connection: requests go out ahead of replies, replies come in order.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use tidegate_core::Time;

use super::response::Responses;
use super::{Asked, Reply};

/// A read takes at most this much.
const BUFFER: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// Not yet taken by the kernel.
    unsent: Vec<u8>,
    /// Intended send times of requests without a reply.
    waiting: VecDeque<Time>,
    responses: Responses,
    open: bool,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection {
            stream,
            unsent: Vec::new(),
            waiting: VecDeque::new(),
            responses: Responses::default(),
            open: true,
        })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Puts a request in line; [`flush`](Connection::flush) sends it.
    pub(super) fn send(&mut self, intended: Time, asked: &Asked, number: u64) {
        self.waiting.push_back(intended);
        // Writing to a vector cannot fail.
        let _ = match asked {
            Asked::Calls => write!(
                self.unsent,
                "GET /call/{number}/0 HTTP/1.1\r\nHost: tidegate\r\n\r\n"
            ),
            Asked::Fixed {
                host,
                path,
                headers,
            } => write!(
                self.unsent,
                "GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"
            ),
        };
    }

    pub(super) fn flush(&mut self) {
        while self.open && !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Reading finds out the same, and what came before it.
                Err(_) => return,
            }
        }
    }

    /// Reads what is there; replies that are whole are done now.
    pub(super) fn receive(&mut self, origin: Instant, replies: &mut Vec<Reply>) {
        let mut buffer = [0; BUFFER];
        loop {
            let read = match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.open = false;
                    return;
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => {
                    self.open = false;
                    return;
                }
            };
            let done = Time(origin.elapsed().as_nanos() as u64);
            let waiting = &mut self.waiting;
            let fine = self.responses.read(&buffer[..read], |status| {
                if let Some(intended) = waiting.pop_front() {
                    // wrk2 counts a status above 399 as an error.
                    let failed = status > 399;
                    replies.push(Reply {
                        intended,
                        done,
                        failed,
                    });
                }
            });
            if !fine {
                self.open = false;
                return;
            }
            if read < BUFFER {
                return;
            }
        }
    }

    /// All that wait for a reply get none, and there is a new connection; where that
    /// cannot be made, it is tried again when this is called again.
    pub(super) fn reopen(&mut self, address: SocketAddr, now: Time, replies: &mut Vec<Reply>) {
        replies.extend(self.waiting.drain(..).map(|intended| Reply {
            intended,
            done: now,
            failed: true,
        }));
        if let Ok(fresh) = Connection::open(address) {
            *self = fresh;
        }
    }
}
