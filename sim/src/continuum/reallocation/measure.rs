//! What the manager is told: each resource is measured at its own times, and what was
//! measured takes its way; the router knows how the calls to an instance went.

use rand::RngExt;
use tidegate_core::manager::{Measured, Sample};
use tidegate_core::slo::Metric;
use tidegate_core::{ResourceId, Span};
use tidegate_workloads::random::stream;

use super::{Event, World};

/// How far back CPU use is averaged: 15 s in the original (source code).
const CPU_WINDOW: Span = Span::from_secs(15);

impl World<'_> {
    /// All resources are measured once, and from then on each at its own times.
    pub(super) fn begin_measuring(&mut self) {
        let interval = self.site.experiment.manager.watching.sampling;
        let mut rng = stream(self.site.experiment.seed, "measuring", 0);
        let mut phase = || Span((interval.0 as f64 * rng.random::<f64>()) as u64);
        for place in 0..self.places.len() {
            for sample in self.measured(place) {
                self.handle(Event::Sampled(sample));
            }
            let phase = phase();
            self.wait(phase, Event::Scrape { place });
        }
        for function in 0..self.routes.len() {
            let phase = phase();
            self.wait(phase, Event::Window { function });
        }
    }

    /// A resource is measured, and will be again.
    pub(super) fn scrape(&mut self, place: usize) {
        let interval = self.site.experiment.manager.watching.sampling;
        self.wait(interval, Event::Scrape { place });
        let it = &self.places[place];
        let (cut, round_trip) = (it.cut > 0, it.resource.round_trip);
        if cut {
            if let Some(timeout) = self.task.measuring.timeout {
                let down = self.of_place(place, Metric::Up, 0.0);
                self.wait(timeout, Event::Sampled(down));
            }
            return;
        }
        for sample in self.measured(place) {
            let takes = match sample.metric {
                Metric::Latency => self.task.measuring.ping,
                _ => Span::ZERO,
            };
            self.wait(takes + round_trip, Event::Sampled(sample));
        }
        self.judge();
    }

    /// What a measurement of a resource finds now. One that is down answers no ping,
    /// and refuses to be scraped.
    fn measured(&mut self, place: usize) -> Vec<Sample> {
        let now = self.now();
        if self.places[place].down > 0 {
            return vec![self.of_place(place, Metric::Up, 0.0)];
        }
        let round_trip = self.places[place].resource.round_trip;
        let mut samples = vec![
            self.of_place(place, Metric::Up, 1.0),
            self.of_place(place, Metric::Latency, round_trip.as_secs_f64()),
        ];
        if let Some(station) = self.places[place].cpus {
            let done = self.site.flow.work_done(station) + self.used_by_containers(place);
            let it = &mut self.places[place];
            while it.used.len() > 1
                && it
                    .used
                    .get(1)
                    .is_some_and(|one| now.since(one.0) >= CPU_WINDOW)
            {
                it.used.pop_front();
            }
            if let Some(&(at, before)) = it.used.front() {
                let span = now.since(at).0 as f64 * it.resource.cpus;
                let percent = 100.0 * (done - before) / span.max(1.0);
                self.cpu_is(place, percent);
                samples.push(self.of_place(place, Metric::Cpu, percent));
            }
            self.places[place].used.push_back((now, done));
        }
        samples
    }

    fn of_place(&self, place: usize, metric: Metric, value: f64) -> Sample {
        Sample {
            of: Measured::Resource(ResourceId(place as u32)),
            metric,
            value,
            at: self.now(),
        }
    }

    /// The router looks at the calls of a function since it did last.
    pub(super) fn window(&mut self, function: usize) {
        let now = self.now();
        let interval = self.site.experiment.manager.watching.sampling;
        self.wait(interval, Event::Window { function });
        if let Some(to) = self.routes[function].to {
            self.read_answers(to);
        }
        let Some(window) = self.ledger.end_window(function) else {
            return;
        };
        let Some(to) = self.routes[function].to else {
            return;
        };
        self.truth.router_says(function, &window);
        for (metric, value) in window {
            self.handle(Event::Sampled(Sample {
                of: Measured::Instance(to),
                metric,
                value,
                at: now,
            }));
        }
        self.judge();
    }
}
