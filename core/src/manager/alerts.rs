//! Alerts of a deployment: told once when a violation begins and once when it is
//! over, each until it is delivered.

use super::config::Config;
use super::message::ManagerCommand;
use crate::deployment::state::{Deployment, OpenAlert};
use crate::id::AlertId;
use crate::slo::monitor::Watch;
use crate::slo::{Alert, AlertState, Resolution, Value};
use crate::units::Time;

impl Deployment {
    /// A message about a violation that begins or, in the original, goes on.
    pub(super) fn alert(&mut self, watch: &Watch, since: Time, value: Value, now: Time) -> Alert {
        let number = self.next_alert;
        self.next_alert += 1;
        Alert {
            id: AlertId {
                deployment: self.id,
                number,
            },
            state: AlertState::Firing,
            deployment: self.id,
            resource: watch.resource,
            instance: watch.instance,
            metric: watch.objective.metric,
            value,
            objective: watch.objective.clone(),
            at: now,
            since,
        }
    }

    /// A violation begins: it is told until that is confirmed.
    pub(super) fn fire(&mut self, alert: Alert, out: &mut Vec<ManagerCommand>) {
        out.push(ManagerCommand::Notify(alert.clone()));
        self.alerts.push(OpenAlert {
            due: alert.at,
            fired: alert,
            fired_delivered: false,
            resolved: None,
            attempt: 1,
        });
    }

    /// A violation is over. Without a `value`, the last one told is repeated.
    pub(super) fn resolve(
        &mut self,
        number: u32,
        why: Resolution,
        value: Option<Value>,
        now: Time,
        out: &mut Vec<ManagerCommand>,
    ) {
        let Some(open) = self.open_mut(number) else {
            return;
        };
        if open.resolved.is_some() {
            return;
        }
        let mut resolved = open.fired.clone();
        resolved.state = AlertState::Resolved(why);
        resolved.at = now;
        if let Some(value) = value {
            resolved.value = value;
        }
        open.resolved = Some(resolved);
        // In order: its end is told when its beginning is known.
        if open.fired_delivered {
            open.attempt = 0;
            open.due = now;
            open.post(out);
        }
    }

    /// A message has been delivered.
    pub(super) fn delivered(
        &mut self,
        number: u32,
        state: AlertState,
        now: Time,
        out: &mut Vec<ManagerCommand>,
    ) {
        let Some(open) = self.open_mut(number) else {
            return;
        };
        match state {
            AlertState::Firing if !open.fired_delivered => {
                open.fired_delivered = true;
                open.attempt = 0;
                open.due = now;
                if open.resolved.is_some() {
                    open.post(out);
                }
            }
            AlertState::Resolved(_) if open.fired_delivered && open.resolved.is_some() => {
                self.alerts.retain(|open| open.fired.id.number != number);
            }
            AlertState::Firing | AlertState::Resolved(_) => {}
        }
    }

    /// Posts again what is due.
    pub(super) fn repeat(&mut self, number: u32, out: &mut Vec<ManagerCommand>) {
        if let Some(open) = self.open_mut(number) {
            open.post(out);
        }
    }

    fn open_mut(&mut self, number: u32) -> Option<&mut OpenAlert> {
        self.alerts
            .iter_mut()
            .find(|open| open.fired.id.number == number)
    }
}

impl OpenAlert {
    /// The message that is not delivered yet.
    fn current(&self) -> Option<&Alert> {
        if self.fired_delivered {
            self.resolved.as_ref()
        } else {
            Some(&self.fired)
        }
    }

    pub(super) fn post(&mut self, out: &mut Vec<ManagerCommand>) {
        if let Some(alert) = self.current().cloned() {
            self.attempt = self.attempt.saturating_add(1);
            out.push(ManagerCommand::Notify(alert));
        }
    }

    /// Plans the repetition of a message that was posted at `now`.
    pub(super) fn plan(&mut self, now: Time, config: &Config) -> Option<Time> {
        self.current()?;
        if self.due <= now {
            let id = self.fired.id;
            let seed = u64::from(id.deployment.0) << 32 | u64::from(id.number);
            self.due = now + config.monitoring.repeat.wait(self.attempt, seed);
        }
        Some(self.due)
    }
}
