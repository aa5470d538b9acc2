//! What is counted: calls and their fates, time in violation, alerts, moves, cost.

use std::collections::BTreeSet;

use tidegate_core::manager::Event as Told;
use tidegate_core::slo::{Alert, AlertState, Metric as Slo};
use tidegate_core::{DeploymentId, InstanceId, ResourceId, Span, Time};

use super::calls::CallId;
use crate::continuum::samples::{Samples, names};
use crate::outcome::Metric;

/// A violation as its owner knows it: of which objective, where.
type Violation = (DeploymentId, ResourceId, Option<InstanceId>, String);

/// The calls that a router saw end since it looked last.
#[derive(Clone, Debug, Default)]
struct Window {
    of: Option<InstanceId>,
    took: Vec<f64>,
    failed: u32,
}

/// One function as its owner sees it.
#[derive(Clone, Debug, Default)]
struct Function {
    window: Window,
    /// When it could be called first.
    called: Option<Time>,
    /// Since when its objectives are not met.
    violated: Option<Time>,
    /// Whether that has been told.
    told: bool,
}

/// All that is counted in a run.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    functions: Vec<Function>,
    sent: u64,
    answered: u64,
    late: u64,
    failed: u64,
    lost: u64,
    switched: u64,
    drained: u64,
    cut: u64,
    round_trips: Samples,
    /// From a change of the load to a higher limit.
    growths: Samples,
    violated: Span,
    violations: u32,
    longest: Span,
    /// From the beginning of a violation to its first alert.
    reactions: Samples,
    missed: u32,
    met: u32,
    possible: u32,
    alerts: u64,
    resolves: u64,
    repeated: u64,
    open: BTreeSet<Violation>,
    moves: u32,
    placements: u32,
    cost: f64,
    /// What comes after the end does not count, but for the fate of calls.
    closed: bool,
}

impl Ledger {
    pub(super) fn new(functions: usize) -> Ledger {
        Ledger {
            functions: vec![Function::default(); functions],
            ..Ledger::default()
        }
    }

    /// A call was sent; its number.
    pub(super) fn sent(&mut self) -> CallId {
        self.sent += 1;
        self.sent
    }

    /// When a function could be called first.
    pub(super) fn called(&self, function: usize) -> Option<Time> {
        self.functions.get(function)?.called
    }

    /// Requests to containers that have no answer in time: those that are sent late,
    /// those that failed, those that are lost.
    pub(super) fn of_containers(&mut self, late: u64, failed: u64, lost: u64) {
        self.sent += late + failed + lost;
        self.late += late;
        self.failed += failed;
        self.lost += lost;
    }

    /// A container was given more CPU so long after the load changed.
    pub(super) fn grown(&mut self, after: Span) {
        self.growths.push(after);
    }

    /// A function can be called. Whether it could not be before.
    pub(super) fn begin(&mut self, function: usize, now: Time) -> bool {
        let called = &mut self.functions[function].called;
        called.replace(called.unwrap_or(now)).is_none()
    }

    /// A client has an answer.
    pub(super) fn answered(&mut self, took: Span, good: bool, in_time: bool, switched: bool) {
        match (good, in_time) {
            (false, _) => self.failed += 1,
            (true, true) => self.answered += 1,
            (true, false) => self.late += 1,
        }
        if good {
            self.round_trips.push(took);
        }
        if switched {
            *(if good {
                &mut self.drained
            } else {
                &mut self.cut
            }) += 1;
        }
    }

    /// A client waits no longer.
    pub(super) fn lost(&mut self, switched: bool) {
        self.lost += 1;
        self.cut += u64::from(switched);
    }

    /// So many calls were under way when a route was switched.
    pub(super) fn switched(&mut self, count: u64) {
        self.switched += count;
    }

    /// The router saw a call to an instance end: how long it took, if it came back.
    pub(super) fn window(&mut self, function: usize, to: InstanceId, took: Option<Span>) {
        let window = &mut self.functions[function].window;
        if window.of != Some(to) {
            return;
        }
        match took {
            Some(took) => window.took.push(took.as_secs_f64()),
            None => window.failed += 1,
        }
    }

    /// The calls of a function go elsewhere from now on.
    pub(super) fn begin_window(&mut self, function: usize, of: Option<InstanceId>) {
        self.functions[function].window = Window {
            of,
            ..Window::default()
        };
    }

    /// What the router saw since it looked last; nothing if no call ended.
    pub(super) fn end_window(&mut self, function: usize) -> Option<Vec<(Slo, f64)>> {
        let window = &mut self.functions[function].window;
        let ended = window.took.len() as f64 + f64::from(window.failed);
        if ended == 0.0 {
            return None;
        }
        let mut took = std::mem::take(&mut window.took);
        let failed = f64::from(std::mem::take(&mut window.failed));
        took.sort_by(f64::total_cmp);
        let mut metrics = vec![(Slo::ErrorRate, 100.0 * failed / ended)];
        if !took.is_empty() {
            let at = |share: f64| took[((took.len() - 1) as f64 * share).round() as usize];
            metrics.extend([
                (Slo::RoundTripP50, at(0.5)),
                (Slo::RoundTripP90, at(0.9)),
                (Slo::RoundTripP95, at(0.95)),
                (Slo::RoundTripP99, at(0.99)),
            ]);
        }
        Some(metrics)
    }

    /// Whether the objectives of a function are met from now on. Counts from its
    /// first call on.
    pub(super) fn judged(&mut self, now: Time, function: usize, met: bool) {
        let one = &mut self.functions[function];
        if self.closed || one.called.is_none() {
            return;
        }
        match (one.violated, met) {
            (None, false) => {
                (one.violated, one.told) = (Some(now), false);
                self.violations += 1;
            }
            (Some(since), true) => {
                one.violated = None;
                self.over(now.since(since));
            }
            (None, true) | (Some(_), false) => {}
        }
    }

    fn over(&mut self, lasted: Span) {
        self.violated += lasted;
        self.longest = self.longest.max(lasted);
    }

    /// The state of a function at the end.
    pub(super) fn ended(&mut self, now: Time, function: usize, met: bool, possible: bool) {
        if let Some(since) = self.functions[function].violated.take() {
            self.over(now.since(since));
        }
        self.met += u32::from(met);
        self.possible += u32::from(possible);
        self.missed += u32::from(possible && !met);
    }

    /// From now on only calls that are under way count.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// An alert is posted.
    pub(super) fn posted(&mut self, alert: &Alert) {
        if self.closed {
            return;
        }
        let what = (
            alert.deployment,
            alert.resource,
            alert.instance,
            alert.objective.to_string(),
        );
        match alert.state {
            AlertState::Firing => {
                self.alerts += 1;
                let one = &mut self.functions[alert.deployment.0 as usize];
                if let Some(since) = one.violated
                    && !std::mem::replace(&mut one.told, true)
                {
                    self.reactions.push(alert.at.since(since));
                }
                self.repeated += u64::from(!self.open.insert(what));
            }
            AlertState::Resolved(_) => {
                self.resolves += 1;
                self.repeated += u64::from(!self.open.remove(&what));
            }
        }
    }

    /// The manager tells what it did.
    pub(super) fn told(&mut self, event: &Told) {
        if self.closed {
            return;
        }
        match event {
            Told::Moving(..) => self.moves += 1,
            Told::Placed(..) => self.placements += 1,
            _ => {}
        }
    }

    /// Something is paid, in dollars.
    pub(super) fn pay(&mut self, dollars: f64) {
        if !self.closed {
            self.cost += dollars;
        }
    }

    /// The numbers of the run.
    pub(super) fn metrics(&self, cores: f64, memory_mib: f64) -> Vec<Metric> {
        let metric = |name, unit, value| Metric { name, unit, value };
        let mut metrics: Vec<Metric> = [
            ("requests_sent", self.sent),
            ("requests_answered", self.answered),
            ("requests_late", self.late),
            ("requests_failed", self.failed),
            ("requests_lost", self.lost),
            ("requests_switched", self.switched),
            ("requests_switched_answered", self.drained),
            ("requests_switched_cut", self.cut),
        ]
        .map(|(name, value)| metric(name, "requests", value as f64))
        .into();
        metrics.extend(self.round_trips.metrics(names!("round_trip", "ms", 1e6)));
        metrics.extend(self.reactions.metrics(names!("reaction", "s", 1e9)));
        metrics.extend(self.growths.metrics(names!("growth", "ms", 1e6)));
        let count = |name, unit, value: u32| metric(name, unit, f64::from(value));
        metrics.extend([
            metric("violation_s", "s", self.violated.as_secs_f64()),
            metric("violation_longest_s", "s", self.longest.as_secs_f64()),
            count("violations", "violations", self.violations),
            metric("alerts", "alerts", self.alerts as f64),
            metric("alerts_resolved", "alerts", self.resolves as f64),
            metric("alerts_repeated", "alerts", self.repeated as f64),
            metric("alerts_open", "alerts", self.open.len() as f64),
            count("moves", "moves", self.moves),
            count("placements", "placements", self.placements),
            metric("cost_cents", "cents", 100.0 * self.cost),
            count("end_met", "functions", self.met),
            count("end_possible", "functions", self.possible),
            count("end_missed", "functions", self.missed),
            metric("manager_cpu_cores", "cores", cores),
            metric("manager_mem_mib", "MiB", memory_mib),
        ]);
        metrics
    }
}
