//! Queueing theory: Poisson arrivals at cores without a limit, where all tasks in
//! service share the cores equally.

use super::*;

/// Mean sojourn time and the half-width of its 99 % confidence interval, by
/// batch means over `tasks` completions after a warm-up of a tenth of them. Times in
/// units of the mean work.
fn sojourn(
    cores: u32,
    load: f64,
    tasks: usize,
    seed: u64,
    mut work: impl FnMut(&mut ChaCha8Rng) -> f64,
) -> (f64, f64) {
    const UNIT: f64 = 1e6;
    const BATCHES: usize = 25;
    let mut queue: Queue<Option<Timer>> = Queue::new();
    struct Only<'a>(&'a mut Queue<Option<Timer>>);
    impl Timers for Only<'_> {
        fn set(&mut self, time: Time, timer: Timer) {
            self.0.at(time, Some(timer));
        }
    }
    let mut machine = Machine::new(&testbed(cores, 1, NEW));
    let group = machine.add(0, 0, None);
    let mut arrivals = stream(seed, "arrivals", 0);
    let mut works = stream(seed, "work", 0);
    let mut began: Vec<Time> = Vec::new();
    let mut free: Vec<Task> = Vec::new();
    let mut signals = Vec::new();
    let (mut done, mut total, mut charged) = (0usize, 0.0, 0.0);
    let warm_up = tasks / 10;
    let batch = tasks / BATCHES;
    let mut means = Vec::new();
    let rate = load * f64::from(cores);
    queue.after(Span(0), None);
    while means.len() < BATCHES {
        let Some(event) = queue.pop() else {
            panic!("arrivals never end")
        };
        let now = queue.now();
        let Some(timer) = event else {
            let wait: f64 = Exp1.sample(&mut arrivals);
            queue.after(Span((wait / rate * UNIT) as u64), None);
            let task = free.pop().unwrap_or_else(|| {
                began.push(now);
                (began.len() - 1) as Task
            });
            began[task as usize] = now;
            let work = (work(&mut works) * UNIT).ceil() as u64;
            charged += work as f64;
            let mut timers = Only(&mut queue);
            machine.start(now, group, &mut 0, task, work, &mut timers);
            continue;
        };
        machine.fire(now, timer, &mut Only(&mut queue), &mut signals);
        for signal in signals.drain(..) {
            if let Signal::Finished { group, cpu, task } = signal {
                machine.idle(now, group, cpu, &mut Only(&mut queue));
                free.push(task);
                done += 1;
                if done > warm_up {
                    total += now.since(began[task as usize]).0 as f64 / UNIT;
                    if (done - warm_up).is_multiple_of(batch) {
                        means.push(total / batch as f64);
                        total = 0.0;
                    }
                }
            }
        }
    }
    // Utilisation law: without a limit and without hyper-threads each unit of
    // work is charged once; what is still in service is charged in part.
    let used = machine.used(group, queue.now()) as f64;
    assert!((used / charged - 1.0).abs() < 1e-3, "{used} of {charged}");
    let n = BATCHES as f64;
    let mean = means.iter().sum::<f64>() / n;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n - 1.0);
    // Student's t with 24 degrees of freedom, 99 %, two-sided.
    (mean, 2.797 * (variance / n).sqrt())
}

/// The theory lies in the interval, and the interval is narrow enough to say
/// something.
#[track_caller]
fn assert_sojourn((mean, half): (f64, f64), theory: f64, width: f64) {
    assert!(half < width * theory, "{mean} ± {half} is too wide");
    assert!(
        (mean - theory).abs() < half,
        "{mean} ± {half}, not {theory}"
    );
}

fn exponential(rng: &mut ChaCha8Rng) -> f64 {
    Exp1.sample(rng)
}

/// Mean sojourn of M/M/c with mean work 1: 1 + C(c, a) / (c - a), where C is
/// Erlang's waiting probability and a = c · load.
fn erlang_sojourn(c: u32, load: f64) -> f64 {
    let offered = f64::from(c) * load;
    // Erlang B by its recursion, then C from it.
    let blocking = (1..=c).fold(1.0, |b, n| offered * b / (f64::from(n) + offered * b));
    let waiting = blocking / (1.0 - load * (1.0 - blocking));
    1.0 + waiting / (f64::from(c) - offered)
}

#[test]
fn erlangs_formula_is_written_down_correctly() {
    // One server: 1 / (1 - ρ). Two: 1 / (1 - ρ²).
    assert!((erlang_sojourn(1, 0.8) - 5.0).abs() < 1e-12);
    assert!((erlang_sojourn(2, 0.6) - 1.0 / 0.64).abs() < 1e-12);
}

#[test]
fn one_core_is_an_mm1_queue_with_processor_sharing() {
    assert_sojourn(sojourn(1, 0.5, 400_000, 1, exponential), 2.0, 0.02);
    assert_sojourn(sojourn(1, 0.8, 800_000, 2, exponential), 5.0, 0.03);
}

#[test]
fn the_mean_sojourn_does_not_depend_on_the_distribution_of_the_work() {
    let lognormal = LogNormal::new(-0.5, 1.0).unwrap();
    let draw = |rng: &mut ChaCha8Rng| lognormal.sample(rng);
    assert_sojourn(sojourn(1, 0.5, 200_000, 3, draw), 2.0, 0.03);
    assert_sojourn(sojourn(1, 0.8, 800_000, 4, draw), 5.0, 0.05);
    assert_sojourn(sojourn(1, 0.8, 400_000, 5, |_| 1.0), 5.0, 0.04);
}

#[test]
fn four_cores_are_an_mmc_queue() {
    for (seed, load) in [(6, 0.5), (7, 0.8)] {
        let theory = erlang_sojourn(4, load);
        assert_sojourn(sojourn(4, load, 400_000, seed, exponential), theory, 0.03);
    }
}
