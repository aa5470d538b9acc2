//! One call on its thread: memory, CPU up to the first stage, the calls of that stage
//! at once, CPU up to the next, the reply, and what is left to do after it. The same
//! course as in the simulator, with the same draws.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rand_distr::{Distribution, Exp1};
use tidegate_core::{Cores, Span};
use tidegate_workloads::Plan;
use tidegate_workloads::application::Runtime;
use tidegate_workloads::plan::Draws;
use tidegate_workloads::random::stream;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::account::Ledger;
use super::ballast::Ballast;
use super::peers::Peers;
use super::pool::Job;
use crate::local::spin::{Spin, thread_cpu};

/// Mean CPU time of a background job: a timer that fires, a heartbeat. The simulator's.
const BACKGROUND_JOB_NS: f64 = 1e6;

/// What the threads of a service share.
#[derive(Debug)]
pub(super) struct Workshop {
    pub(super) plan: Plan,
    /// How many services there are, and which this is.
    pub(super) services: usize,
    pub(super) service: usize,
    pub(super) seed: u64,
    pub(super) runtime: Runtime,
    pub(super) ballast: Ballast,
    pub(super) spin: Spin,
    pub(super) ledger: Arc<Ledger>,
    pub(super) peers: Arc<Peers>,
    /// The thread that does all input and output.
    pub(super) io: Handle,
    /// Work for the background thread.
    pub(super) background: mpsc::Sender<Span>,
    /// Calls begun.
    pub(super) served: AtomicU64,
}

thread_local! {
    static DRAWS: RefCell<Draws> = RefCell::default();
}

impl Workshop {
    /// Serves a call to its end.
    pub(super) fn serve(&self, job: Job) {
        let began = thread_cpu();
        let burnt = DRAWS.with_borrow_mut(|draws| self.serve_with(job, draws));
        let all = thread_cpu().0 - began.0;
        self.ledger.overhead(Span(all.saturating_sub(burnt.0)));
    }

    /// Returns the CPU time that was burnt on purpose.
    fn serve_with(&self, job: Job, draws: &mut Draws) -> Span {
        self.plan.draw(self.seed, job.number, draws);
        let kind = &self.plan.kinds[draws.kind as usize];
        let Some(node) = kind.nodes.get(job.node as usize) else {
            let _ = job.reply.send(false);
            return Span::ZERO;
        };
        if node.service as usize != self.service || self.ballast.enter().is_err() {
            let _ = job.reply.send(false);
            return Span::ZERO;
        }
        if job.node == 0 {
            for detached in &kind.detached {
                drop(self.call(job.number, draws.kind, &[*detached]));
            }
        }

        let served = self.served.fetch_add(1, Relaxed);
        let mut work = self
            .runtime
            .work(node.cpu, draws.normals[job.node as usize]);
        if let Some(warm_up) = &self.runtime.warm_up {
            let (factor, compile) = warm_up.at(served);
            work *= factor;
            if compile > Span::ZERO {
                // The thread lives as long as the process.
                let _ = self.background.send(compile);
            }
        }
        self.ledger.ask(Span(work as u64));
        let path = work * self.runtime.path_share;
        let segment = Span((path / (node.stages.len() + 1) as f64) as u64);

        let mut burnt = self.burn(segment);
        let mut fine = true;
        for &(begin, end) in &node.stages {
            let calls = &kind.children[begin as usize..end as usize];
            fine = self
                .call(job.number, draws.kind, calls)
                .blocking_recv()
                .unwrap_or(false);
            if !fine {
                break;
            }
            burnt += self.burn(segment);
        }
        let _ = job.reply.send(fine && !(job.node == 0 && draws.fails));
        let burnt = burnt + self.burn(Span((work - path) as u64));
        let _ = self.ballast.leave();
        burnt
    }

    fn burn(&self, work: Span) -> Span {
        let work = self.ledger.burst(work);
        self.spin.burn(work);
        work
    }

    /// Makes `calls` of request `number`, of kind `kind`, all at once, each of them
    /// as often in a row as it is to be made. Whether all went well comes back.
    fn call(&self, number: u64, kind: u32, calls: &[u32]) -> oneshot::Receiver<bool> {
        let kind = &self.plan.kinds[kind as usize];
        let (tell, told) = oneshot::channel();
        let mut chains = Vec::with_capacity(calls.len());
        for &first in calls {
            let mut chain = Vec::new();
            let mut next = Some(first);
            while let Some(node) = next {
                let call = &kind.nodes[node as usize];
                chain.push((call.service as usize % self.services, node));
                next = call.next;
            }
            let peers = self.peers.clone();
            chains.push(self.io.spawn(async move {
                for (service, node) in chain {
                    if !peers.call(service, number, node).await {
                        return false;
                    }
                }
                true
            }));
        }
        self.io.spawn(async move {
            let mut fine = true;
            for chain in chains {
                fine &= chain.await.unwrap_or(false);
            }
            // Nobody waits for a detached call.
            let _ = tell.send(fine);
        });
        told
    }
}

/// Starts the thread that does what nobody waits for: jobs of the service's own, which
/// come to `idle` cores, and what it is sent.
pub(super) fn background(spin: Spin, idle: Cores, seed: u64, service: usize) -> mpsc::Sender<Span> {
    let (send, sent) = mpsc::channel();
    let idle = idle.as_f64();
    thread::spawn(move || {
        let mut rng = stream(seed, "background", service as u64);
        let mut draw = || -> f64 { Exp1.sample(&mut rng) };
        let pause = |draw: f64| match idle > 0.0 {
            true => Duration::from_nanos((draw * BACKGROUND_JOB_NS / idle) as u64),
            false => Duration::from_secs(3_600),
        };
        let mut wait = pause(draw());
        loop {
            let asked = std::time::Instant::now();
            match sent.recv_timeout(wait) {
                Ok(work) => {
                    wait = wait.saturating_sub(asked.elapsed());
                    spin.burn(work);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    wait = pause(draw());
                    if idle > 0.0 {
                        spin.burn(Span((draw() * BACKGROUND_JOB_NS) as u64));
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    });
    send
}
