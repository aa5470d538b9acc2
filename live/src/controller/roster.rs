//! The application's containers by name and number, and what is kept for each.

use std::collections::BTreeMap;

use tidegate_core::{Allocator, Container, ContainerId, HostId, Limits, Time};

/// The containers a controller takes in, and no others.
#[derive(Clone, Debug)]
pub struct Roster {
    names: Vec<String>,
    numbers: BTreeMap<String, ContainerId>,
    safe: Vec<Limits>,
    /// Hosts are numbered from 0 to this, exclusive.
    pub hosts: u32,
}

impl Roster {
    /// The containers called `names`, in the order in which the policy numbers them, on
    /// up to `hosts` hosts. `policy` is one of the kind that will run, of which nothing
    /// else is wanted: what it admits a container with that asks for nothing is what it
    /// keeps for it in any case.
    ///
    /// # Errors
    /// When a name is there twice.
    pub fn new(
        names: Vec<String>,
        hosts: u32,
        mut policy: Box<dyn Allocator>,
    ) -> Result<Roster, String> {
        let mut numbers = BTreeMap::new();
        let mut safe = Vec::with_capacity(names.len());
        for (number, name) in (0u32..).zip(&names) {
            let id = ContainerId(number);
            if numbers.insert(name.clone(), id).is_some() {
                return Err(format!("there are two containers called `{name}`"));
            }
            let host = HostId(number % hosts.max(1));
            safe.push(policy.admit(
                Time::ZERO,
                Container {
                    id,
                    host,
                    requested: None,
                },
            ));
        }
        Ok(Roster {
            names,
            numbers,
            safe,
            hosts,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The number of the one called `name`.
    pub fn number(&self, name: &str) -> Option<ContainerId> {
        self.numbers.get(name).copied()
    }

    /// The name of a container.
    pub fn name(&self, id: ContainerId) -> &str {
        self.names.get(id.0 as usize).map_or("", String::as_str)
    }

    /// What is kept for a container in any case.
    pub fn safe(&self, id: ContainerId) -> Limits {
        let safe = self.safe.get(id.0 as usize);
        safe.copied().unwrap_or(Limits::NONE)
    }
}
