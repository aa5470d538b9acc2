//! An application's call graphs, unrolled for execution, and all that is random
//! about a request.
//!
//! Each execution of a call within a request is a node of its own: a call made
//! four times in a row is a chain of four. A request's random draws are then one
//! array indexed by node, the same under every policy and in every world.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use crate::Application;
use crate::application::Call;
use crate::random::stream;

/// One execution of a call.
#[derive(Clone, Debug)]
pub struct Node {
    /// Index into [`Application::services`].
    pub service: u32,
    /// Mean CPU time in nanoseconds.
    pub cpu: f64,
    /// Stages of calls it makes: ranges of [`Kind::children`].
    pub stages: Vec<(u32, u32)>,
    /// The next execution of the same call, made when this one is answered.
    pub next: Option<u32>,
}

/// One kind of request.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Share of its replies that are errors.
    pub failure_share: f64,
    /// Its calls; the first is the root.
    pub nodes: Vec<Node>,
    /// Nodes of the calls that stages make.
    pub children: Vec<u32>,
    /// Calls nobody waits for.
    pub detached: Vec<u32>,
}

/// All kinds of requests of an application. Node 0 of each is its root.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In the order of the application's requests.
    pub kinds: Vec<Kind>,
    /// Upper ends of the kinds' shares, for drawing one.
    cumulative: Vec<f64>,
}

/// What is random about one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draws {
    /// Which of [`Plan::kinds`] it is.
    pub kind: u32,
    /// Whether its reply is an error.
    pub fails: bool,
    /// Standard normal variate behind each node's CPU time, see
    /// [`Runtime::work`](crate::application::Runtime::work).
    pub normals: Vec<f32>,
}

impl Plan {
    /// The call graphs of `application`.
    pub fn new(application: &Application) -> Plan {
        let mut sum = 0.0;
        let mut cumulative = Vec::new();
        let mut kinds = Vec::new();
        for request in &application.requests {
            sum += request.share;
            cumulative.push(sum);
            let mut kind = Kind {
                failure_share: request.failure_share,
                nodes: Vec::new(),
                children: Vec::new(),
                detached: Vec::new(),
            };
            kind.unroll(&request.root);
            for call in &request.detached {
                let first = kind.unroll(call);
                kind.detached.push(first);
            }
            kinds.push(kind);
        }
        Plan { kinds, cumulative }
    }

    /// Draws request `number` under `seed` into `draws`, whose memory is used again.
    /// Numbers are the connection's in the upper half and that of the request on it
    /// in the lower, or a batch's own.
    pub fn draw(&self, seed: u64, number: u64, draws: &mut Draws) {
        let mut rng = stream(seed, "request", number);
        draws.kind = self.kind(rng.random());
        let kind = &self.kinds[draws.kind as usize];
        draws.fails = rng.random::<f64>() < kind.failure_share;
        draws.normals.clear();
        draws.normals.extend(kind.nodes.iter().map(|_| {
            let normal: f64 = StandardNormal.sample(&mut rng);
            normal as f32
        }));
    }

    /// The kind for a uniform number between 0 and 1.
    fn kind(&self, uniform: f64) -> u32 {
        let target = uniform * self.cumulative.last().copied().unwrap_or(1.0);
        let index = self.cumulative.partition_point(|&end| end <= target);
        index.min(self.kinds.len() - 1) as u32
    }
}

impl Kind {
    /// Adds the executions of a call; returns the first.
    fn unroll(&mut self, call: &Call) -> u32 {
        let first = self.nodes.len() as u32;
        let mut previous: Option<usize> = None;
        for _ in 0..call.repeat.max(1) {
            let index = self.nodes.len();
            if let Some(previous) = previous {
                self.nodes[previous].next = Some(index as u32);
            }
            self.nodes.push(Node {
                service: call.service as u32,
                cpu: call.cpu.0 as f64,
                stages: Vec::new(),
                next: None,
            });
            for stage in &call.stages {
                let roots: Vec<u32> = stage.iter().map(|child| self.unroll(child)).collect();
                let begin = self.children.len() as u32;
                self.children.extend(roots);
                let end = self.children.len() as u32;
                self.nodes[index].stages.push((begin, end));
            }
            previous = Some(index);
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::Span;

    fn call(service: usize, repeat: u32, stages: Vec<Vec<Call>>) -> Call {
        Call {
            service,
            operation: String::new(),
            cpu: Span(service as u64),
            repeat,
            stages,
        }
    }

    #[test]
    fn repeats_become_chains_with_calls_of_their_own() {
        let leaf = call(2, 1, vec![]);
        let root = call(0, 1, vec![vec![call(1, 2, vec![vec![leaf]])]]);
        let mut kind = Kind {
            failure_share: 0.0,
            nodes: vec![],
            children: vec![],
            detached: vec![],
        };
        kind.unroll(&root);
        let services: Vec<u32> = kind.nodes.iter().map(|node| node.service).collect();
        assert_eq!(services, [0, 1, 2, 1, 2]);
        assert_eq!(kind.nodes[1].next, Some(3));
        assert_eq!(kind.nodes[3].next, None);
        let (begin, end) = kind.nodes[0].stages[0];
        assert_eq!(kind.children[begin as usize..end as usize], [1]);
    }
}
