//! Kubernetes: places pods on hosts and starts them (`KubernetesContainerFactory`).
//!
//! A pod goes to the host with the fewest pods whose CPUs are not all asked for; one
//! that fits nowhere waits. Starts do not slow each other down: measured, a start
//! takes as long beside sixty others as beside three.

use std::collections::VecDeque;

use rand_distr::Distribution;
use tidegate_core::{Cores, Span};
use tidegate_workloads::random::stream;

use super::config::Start;
use super::lognormal;

/// A pod that was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) pod: u32,
    pub(super) host: u32,
    /// From now until it runs.
    pub(super) start: Span,
}

/// The pods of each host and those that wait for one.
#[derive(Debug)]
pub(super) struct Factory {
    start: Start,
    /// Pods that the CPUs of each host allow, and pods it has.
    hosts: Vec<(u32, u32)>,
    waiting: VecDeque<u32>,
    seed: u64,
}

impl Factory {
    /// For pods that ask for `cpu`, on hosts with these CPUs.
    pub(super) fn new(start: Start, cpu: Cores, cpus: &[u32], seed: u64) -> Factory {
        let fit = |&cpus: &u32| (Cores::new(u64::from(cpus)).0 / cpu.0.max(1)) as u32;
        Factory {
            start,
            hosts: cpus.iter().map(|cpus| (fit(cpus), 0)).collect(),
            waiting: VecDeque::new(),
            seed,
        }
    }

    /// A pod is wanted.
    pub(super) fn ask(&mut self, pod: u32) {
        self.waiting.push_back(pod);
    }

    /// Places the pod that has waited the longest, if a host has room.
    pub(super) fn place(&mut self) -> Option<Placed> {
        let &pod = self.waiting.front()?;
        let hosts = (0u32..).zip(&mut self.hosts);
        let (host, (_, pods)) = hosts
            .filter(|(_, (fit, pods))| pods < fit)
            .min_by_key(|(host, (_, pods))| (*pods, *host))?;
        *pods += 1;
        self.waiting.pop_front();
        let more = lognormal(self.start.more, self.start.sigma);
        let mut rng = stream(self.seed, "pod start", u64::from(pod));
        Some(Placed {
            pod,
            host,
            start: self.start.least + Span(more.sample(&mut rng) as u64),
        })
    }

    /// A pod is no more, wherever it was.
    pub(super) fn gone(&mut self, pod: u32, host: Option<u32>) {
        match host {
            Some(host) => self.hosts[host as usize].1 -= 1,
            None => self.waiting.retain(|&waiting| waiting != pod),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_go_to_the_emptiest_host_and_wait_where_no_cpu_is_left() {
        let start = Start {
            least: Span::from_secs(3),
            more: Span::from_secs(1),
            sigma: 0.0,
            call: Span::ZERO,
            poll: Span::from_secs(1),
        };
        // Two pods of 1.5 CPUs fit on the first host, one on the second.
        let mut factory = Factory::new(start, Cores::from_millis(1500), &[3, 2], 1);
        (0..5).for_each(|pod| factory.ask(pod));
        let placed: Vec<_> = std::iter::from_fn(|| factory.place()).collect();
        let hosts: Vec<_> = placed.iter().map(|placed| placed.host).collect();
        assert_eq!(hosts, [0, 1, 0]);
        // The median is within a nanosecond of one second.
        assert!(placed[0].start.0.abs_diff(4_000_000_000) <= 1);
        factory.gone(3, None);
        factory.gone(1, Some(1));
        let next = factory.place().map(|placed| (placed.pod, placed.host));
        assert_eq!(next, Some((4, 1)));
        assert_eq!(factory.place(), None);
    }
}
