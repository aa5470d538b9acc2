//! Terraform as the manager runs it: a directory per deployment, providers fetched
//! for each, one process per command.

use std::collections::BTreeSet;

use tidegate_core::Span;

use super::manager::Provider;
use super::site::{Site, work};
use super::testbed::{Platform, Resource};
use crate::flow::{Gate, GateId, Step};

/// A provider that a deployment needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needed {
    provider: Provider,
    /// Processes of it: one for each region, as each has a configuration of its
    /// own.
    processes: f64,
}

impl Site<'_> {
    /// The providers that `resources` need.
    pub(super) fn providers(&self, resources: &[Resource]) -> Vec<Needed> {
        let providers = &self.experiment.manager.terraform.providers;
        let of = |provider, platforms: &[Platform]| {
            let here = resources
                .iter()
                .filter(|one| platforms.contains(&one.platform));
            let regions: BTreeSet<u32> = here.map(|one| one.region).collect();
            let processes = regions.len() as f64;
            Needed {
                provider,
                processes,
            }
        };
        let all = [
            of(providers.aws, &[Platform::Lambda, Platform::Ec2]),
            of(providers.kubernetes, &[Platform::Kubernetes]),
            of(providers.openfaas, &[Platform::Openfaas, Platform::Ec2]),
        ];
        let needed = all.into_iter().filter(|needed| needed.processes > 0.0);
        needed.collect()
    }

    /// `init`: providers are looked up, fetched, checked and unpacked; nothing is
    /// kept from one deployment for the next.
    pub(super) fn init(&mut self, providers: &[Needed]) -> Vec<Step> {
        let terraform = &self.experiment.manager.terraform;
        let mut steps = vec![
            self.uses_memory(terraform.mib),
            Step::Wait(terraform.registry.draw(&mut self.rng)),
        ];
        for _ in 0..terraform.lookups as usize * providers.len() {
            steps.push(self.lookup());
        }
        let fetched = |needed: &Needed| {
            vec![
                self.transfer(needed.provider.download_mib),
                work(self.cpus, needed.provider.unpack, 1.0),
            ]
        };
        steps.push(Step::All(providers.iter().map(fetched).collect()));
        steps.push(self.uses_memory(-terraform.mib));
        steps
    }

    /// A command that concerns resources, and what it waits for on their platforms.
    pub(super) fn command(
        &self,
        amount: Span,
        providers: &[Needed],
        resources: Vec<Vec<Step>>,
    ) -> Vec<Step> {
        let terraform = &self.experiment.manager.terraform;
        let memory = |needed: &Needed| needed.provider.mib * needed.processes;
        let mib = terraform.mib + providers.iter().map(memory).sum::<f64>();
        let start = |needed: &Needed| {
            let Needed {
                provider,
                processes,
            } = needed;
            let amount = Span((provider.start.0 as f64 * processes) as u64);
            vec![work(self.cpus, amount, provider.width * processes)]
        };
        vec![
            self.uses_memory(mib),
            work(self.cpus, amount, 1.0),
            Step::All(providers.iter().map(start).collect()),
            Step::All(resources),
            self.uses_memory(-mib),
        ]
    }

    /// `output`: no provider is started.
    pub(super) fn output(&self) -> Vec<Step> {
        self.command(self.experiment.manager.terraform.output, &[], Vec::new())
    }

    /// CPU of a command that starts or stops so many parts or services.
    pub(super) fn parts(&self, count: u32) -> Span {
        let terraform = &self.experiment.manager.terraform;
        let count = u64::from(count);
        Span(terraform.command.0 + terraform.part.0 * count + terraform.pair.0 * count * count)
    }

    /// Limits resources to what one command does at the same time.
    pub(super) fn limited(gate: GateId, resources: Vec<Vec<Step>>) -> Vec<Vec<Step>> {
        let gate = Gate::One(gate);
        let limited = |mut steps: Vec<Step>| {
            let fresh = Vec::new();
            steps.insert(0, Step::Acquire { gate, fresh });
            steps.push(Step::Release { gate });
            steps
        };
        resources.into_iter().map(limited).collect()
    }

    fn uses_memory(&self, change: f64) -> Step {
        Step::Meter {
            meter: self.memory,
            change,
        }
    }
}
