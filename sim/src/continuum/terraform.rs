//! Terraform as the manager runs it: a directory per deployment, providers fetched
//! for each, one process per command.

use std::collections::BTreeMap;

use tidegate_core::Span;

use super::manager::Provider;
use super::site::{Site, work};
use super::testbed::{Platform, Resource};
use crate::flow::{Gate, GateId, Step};

/// A process of a provider that a deployment needs: each region of a cloud has a
/// configuration, and so a process, of its own.
#[derive(Clone, Debug)]
pub(super) struct Needed {
    provider: Provider,
    /// The resources that it creates and removes.
    resources: Vec<usize>,
}

impl Site<'_> {
    /// The processes that `resources` need, by provider.
    pub(super) fn providers(&self, resources: &[Resource]) -> Vec<Vec<Needed>> {
        let providers = &self.experiment.manager.terraform.providers;
        let of = |provider, own: &[Platform], other: &[Platform]| {
            let mut regions: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
            for (index, resource) in resources.iter().enumerate() {
                if own.contains(&resource.platform) {
                    regions.entry(resource.region).or_default().push(index);
                } else if other.contains(&resource.platform) {
                    regions.entry(resource.region).or_default();
                }
            }
            let needed = |resources| Needed {
                provider,
                resources,
            };
            regions.into_values().map(needed).collect()
        };
        let all: [Vec<Needed>; 3] = [
            of(providers.aws, &[Platform::Lambda, Platform::Ec2], &[]),
            of(providers.kubernetes, &[Platform::Kubernetes], &[]),
            // A machine's function is its OpenFaaS' too, after all else.
            of(providers.openfaas, &[Platform::Openfaas], &[Platform::Ec2]),
        ];
        all.into_iter()
            .filter(|needed| !needed.is_empty())
            .collect()
    }

    /// `init`: providers are looked up, fetched, checked and unpacked; nothing is
    /// kept from one deployment for the next.
    pub(super) fn init(&mut self, providers: &[Vec<Needed>]) -> Vec<Step> {
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
        let once = providers.iter().filter_map(|needed| needed.first());
        steps.push(Step::All(once.map(fetched).collect()));
        steps.push(self.uses_memory(-terraform.mib));
        steps
    }

    /// A command that concerns resources, and what each of them waits for on its
    /// platform. A provider's process ends when the last of its resources is done.
    pub(super) fn command(
        &self,
        amount: Span,
        providers: &[Vec<Needed>],
        mut resources: Vec<Vec<Step>>,
    ) -> Vec<Step> {
        let mib = self.experiment.manager.terraform.mib;
        let process = |needed: &Needed| {
            let provider = needed.provider;
            let own = needed.resources.iter();
            let own = own.filter_map(|&index| resources.get_mut(index).map(std::mem::take));
            vec![
                self.uses_memory(provider.mib),
                work(self.cpus, provider.start, provider.width),
                Step::All(own.collect()),
                self.uses_memory(-provider.mib),
            ]
        };
        let processes = providers.iter().flatten().map(process).collect();
        vec![
            self.uses_memory(mib),
            work(self.cpus, amount, 1.0),
            Step::All(processes),
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
