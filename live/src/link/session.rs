//! The host's side of a session with the controller: what to say when, and what to
//! believe. It has no sockets and no clock; [`client`](super::client) has.

use tidegate_core::{Command, HostId, Observation};

use crate::wire::greeting::{Down, Hello, Standing, Up, Welcome};

/// What the controller has said.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The host is taken in. Whether that begins another session than it was in: then
    /// all counts begin anew.
    Welcome(Welcome, bool),
    /// What is to change. Nothing, where the controller only says that it is there.
    Orders(Vec<Command>),
}

/// The host's side of a session.
#[derive(Clone, Debug)]
pub struct Session {
    host: HostId,
    agent: u64,
    session: u64,
    /// Whether the hello of this connection was answered.
    welcome: bool,
    seq_in: u64,
    seq_out: u64,
}

impl Session {
    /// For `host`. `agent` must be another number for each process.
    pub fn new(host: HostId, agent: u64) -> Session {
        Session {
            host,
            agent,
            session: 0,
            welcome: false,
            seq_in: 0,
            seq_out: 0,
        }
    }

    /// Whose it is.
    pub fn host(&self) -> HostId {
        self.host
    }

    /// A connection stands: nothing was said on it yet.
    pub fn connected(&mut self) {
        self.welcome = false;
        self.seq_in = 0;
        self.seq_out = 0;
    }

    /// Says who this is, and that `containers` stand here: first on each connection, and
    /// whenever one has come.
    pub fn hello(&self, containers: Vec<Standing>) -> Up {
        Up::Hello(Hello {
            host: self.host,
            agent: self.agent,
            session: self.session,
            containers,
        })
    }

    /// Tells what was seen; nothing before the hello of this connection was answered, as
    /// who is welcomed begins by telling which limits are in force.
    pub fn telemetry(&mut self, seen: Vec<Observation>) -> Option<Up> {
        if !self.welcome {
            return None;
        }
        self.seq_out += 1;
        let seq = self.seq_out;
        Some(Up::Telemetry { seq, seen })
    }

    /// What a message says, if it is news.
    pub fn receive(&mut self, message: Down) -> Option<Heard> {
        match message {
            Down::Welcome(welcome) => {
                self.welcome = true;
                let new = self.session != welcome.session;
                self.session = welcome.session;
                Some(Heard::Welcome(welcome, new))
            }
            Down::Orders { seq, wanted } => {
                if !self.welcome || seq <= self.seq_in {
                    return None;
                }
                self.seq_in = seq;
                Some(Heard::Orders(wanted))
            }
        }
    }
}
