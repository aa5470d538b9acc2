//! An application's call graphs, unrolled for execution.
//!
//! Each execution of a call within a request is a node of its own: a call made
//! four times in a row is a chain of four. A request's random draws are then one
//! array indexed by node, the same under every policy.

use tidegate_workloads::Application;
use tidegate_workloads::application::Call;

/// One execution of a call.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) service: u32,
    /// Mean CPU time in nanoseconds.
    pub(crate) cpu: f64,
    /// Stages of calls it makes: ranges of [`Plan::children`].
    pub(crate) stages: Vec<(u32, u32)>,
    /// The next execution of the same call, made when this one is answered.
    pub(crate) next: Option<u32>,
}

/// One kind of request.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) failure_share: f64,
    pub(crate) nodes: Vec<Node>,
    /// Nodes of the calls that stages make.
    pub(crate) children: Vec<u32>,
    /// Calls nobody waits for.
    pub(crate) detached: Vec<u32>,
}

/// All kinds of requests of an application. Node 0 of each is its root.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) kinds: Vec<Kind>,
    /// Upper ends of the kinds' shares, for drawing one.
    pub(crate) cumulative: Vec<f64>,
}

impl Plan {
    pub(crate) fn new(application: &Application) -> Plan {
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

    /// The kind for a uniform number between 0 and 1.
    pub(crate) fn kind(&self, uniform: f64) -> u32 {
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
