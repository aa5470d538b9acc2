//! Limits and use over time, as far as a scenario asks for them. The only part
//! of a run's record that grows with its length, by a row for each interval (and
//! container), never with its requests.

use tidegate_core::Span;

use crate::experiment::{Scope, Series};
use crate::outcome::SeriesPoint;

use super::{Reading, SAMPLE};

const MIB: f64 = 1_048_576.0;

/// Makes rows of samples.
#[derive(Debug)]
pub(super) struct SeriesRecorder {
    scope: Scope,
    /// Samples per row.
    stride: u64,
    /// What is running up to the next row, by container.
    since: Vec<Since>,
    rows: Vec<SeriesPoint>,
}

/// Since the last row of a container.
#[derive(Clone, Debug, Default)]
struct Since {
    samples: u64,
    /// Sum over the samples, in cores.
    cpu: f64,
    /// As they were at the last row.
    periods: u64,
    throttled_periods: u64,
}

impl SeriesRecorder {
    pub(super) fn new(series: Series) -> SeriesRecorder {
        SeriesRecorder {
            scope: series.of,
            stride: (series.every.0 / SAMPLE.0).max(1),
            since: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// One container more, after `ticks` samples of the others: its rows fall on
    /// theirs.
    pub(super) fn add(&mut self, ticks: u64) {
        self.since.push(Since {
            samples: ticks % self.stride,
            ..Since::default()
        });
    }

    /// The sample of `container` at `time` since the client began. All
    /// containers are sampled at the same times, in their order.
    pub(super) fn sample(&mut self, time: Span, container: usize, reading: &Reading) {
        let since = &mut self.since[container];
        since.samples += 1;
        since.cpu += reading.cpu;
        if since.samples < self.stride {
            return;
        }
        let point = SeriesPoint {
            // Divided, so that 600 ms are 0.6.
            time_s: time.0 as f64 / 1e9,
            container: (self.scope == Scope::Container).then_some(container),
            cpu_limit_cores: reading.cpu_limit,
            cpu_used_cores: since.cpu / self.stride as f64,
            mem_limit_mib: reading.memory_limit as f64 / MIB,
            mem_used_mib: reading.memory as f64 / MIB,
            periods: reading.periods - since.periods,
            throttled_periods: reading.throttled_periods - since.throttled_periods,
            containers_up: u64::from(reading.up),
        };
        *since = Since {
            samples: 0,
            cpu: 0.0,
            periods: reading.periods,
            throttled_periods: reading.throttled_periods,
        };
        match self.rows.last_mut() {
            Some(sum) if self.scope == Scope::Application && sum.time_s == point.time_s => {
                sum.add(&point);
            }
            _ => self.rows.push(point),
        }
    }

    pub(super) fn into_rows(self) -> Vec<SeriesPoint> {
        self.rows
    }
}

impl SeriesPoint {
    fn add(&mut self, other: &SeriesPoint) {
        self.cpu_limit_cores += other.cpu_limit_cores;
        self.cpu_used_cores += other.cpu_used_cores;
        self.mem_limit_mib += other.mem_limit_mib;
        self.mem_used_mib += other.mem_used_mib;
        self.periods += other.periods;
        self.throttled_periods += other.throttled_periods;
        self.containers_up += other.containers_up;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(of: Scope) -> Vec<SeriesPoint> {
        let every = Span::from_millis(300);
        let mut recorder = SeriesRecorder::new(Series { every, of });
        recorder.add(0);
        recorder.add(0);
        for sample in 1..=7 {
            for container in 0..2 {
                let reading = Reading {
                    cpu_limit: sample as f64,
                    cpu: 0.5 * sample as f64 + container as f64,
                    memory_limit: sample << 20,
                    memory: sample << 19,
                    periods: sample,
                    throttled_periods: sample / 2,
                    up: container == 0,
                };
                let time = Span::from_millis(100 * sample);
                recorder.sample(time, container, &reading);
            }
        }
        recorder.into_rows()
    }

    #[test]
    fn use_is_a_mean_limits_are_of_the_moment_and_periods_are_counted() {
        let rows = rows(Scope::Container);
        // The seventh sample begins a row that is never whole.
        assert_eq!(rows.len(), 4);
        let expected = SeriesPoint {
            time_s: 0.6,
            container: Some(1),
            cpu_limit_cores: 6.0,
            cpu_used_cores: 3.5,
            mem_limit_mib: 6.0,
            mem_used_mib: 3.0,
            periods: 3,
            throttled_periods: 2,
            containers_up: 0,
        };
        assert_eq!(rows[3], expected);
    }

    #[test]
    fn the_rows_of_a_container_that_comes_late_fall_on_those_of_the_others() {
        let every = Span::from_millis(300);
        let of = Scope::Application;
        let mut recorder = SeriesRecorder::new(Series { every, of });
        recorder.add(0);
        let reading = Reading {
            cpu_limit: 1.0,
            cpu: 0.5,
            memory_limit: 1 << 20,
            memory: 0,
            periods: 0,
            throttled_periods: 0,
            up: true,
        };
        for sample in 1..=6 {
            // The second comes after four samples, when the first has gone.
            if sample == 5 {
                recorder.add(4);
            }
            let container = usize::from(sample > 4);
            recorder.sample(Span::from_millis(100 * sample), container, &reading);
        }
        let rows = recorder.into_rows();
        let times: Vec<f64> = rows.iter().map(|row| row.time_s).collect();
        assert_eq!(times, [0.3, 0.6]);
        assert_eq!(rows[1].containers_up, 1);
    }

    #[test]
    fn an_application_is_the_sum_of_its_containers() {
        let (each, sums) = (rows(Scope::Container), rows(Scope::Application));
        assert_eq!(sums.len(), 2);
        for (pair, sum) in each.chunks(2).zip(&sums) {
            let mut expected = pair[0].clone();
            expected.container = None;
            expected.add(&pair[1]);
            assert_eq!(*sum, expected);
        }
        assert_eq!(sums[1].containers_up, 1);
    }
}
