//! Threads that serve calls. Which idle thread takes the next one is the order of the
//! service's runtime; calls that find none wait in the order of their arrival.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tidegate_workloads::application::Order;
use tokio::sync::oneshot;

/// A call that arrived.
#[derive(Debug)]
pub(super) struct Job {
    /// Which request it belongs to.
    pub(super) number: u64,
    /// Which of its calls it is.
    pub(super) node: u32,
    /// Takes whether it went well.
    pub(super) reply: oneshot::Sender<bool>,
}

/// Where a thread waits for its next call.
#[derive(Debug, Default)]
struct Desk {
    job: Mutex<Option<Job>>,
    given: Condvar,
}

/// Idle threads and waiting calls; never both.
#[derive(Debug)]
pub(super) struct Pool {
    order: Order,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    idle: VecDeque<Arc<Desk>>,
    waiting: VecDeque<Job>,
}

impl Pool {
    pub(super) fn new(order: Order) -> Pool {
        Pool {
            order,
            state: Mutex::default(),
        }
    }

    /// A call arrives.
    pub(super) fn submit(&self, job: Job) {
        let mut state = lock(&self.state);
        let desk = match self.order {
            Order::Fifo => state.idle.pop_front(),
            Order::Lifo => state.idle.pop_back(),
        };
        match desk {
            Some(desk) => {
                drop(state);
                *lock(&desk.job) = Some(job);
                desk.given.notify_one();
            }
            None => state.waiting.push_back(job),
        }
    }

    /// Serves calls for ever: the life of a thread.
    pub(super) fn work(&self, serve: impl Fn(Job)) {
        let desk = Arc::new(Desk::default());
        loop {
            let mut state = lock(&self.state);
            let job = match state.waiting.pop_front() {
                Some(job) => job,
                None => {
                    state.idle.push_back(desk.clone());
                    drop(state);
                    let mut job = lock(&desk.job);
                    loop {
                        match job.take() {
                            Some(job) => break job,
                            None => {
                                job = desk.given.wait(job).unwrap_or_else(PoisonError::into_inner);
                            }
                        }
                    }
                }
            };
            serve(job);
        }
    }
}

/// What a thread that failed left is whole: all changes are one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    /// The threads that serve eight calls that come one after the other.
    fn served_by(order: Order) -> Vec<usize> {
        let pool = Arc::new(Pool::new(order));
        let (told, heard) = mpsc::channel();
        for number in 0..3 {
            let (pool, told) = (pool.clone(), told.clone());
            thread::spawn(move || {
                pool.work(|job| {
                    told.send(number).unwrap();
                    job.reply.send(true).unwrap();
                });
            });
        }
        let idle = |count| {
            while lock(&pool.state).idle.len() < count {
                thread::sleep(Duration::from_millis(1));
            }
        };
        let call = |_| {
            idle(3);
            let (reply, answer) = oneshot::channel();
            pool.submit(Job {
                number: 0,
                node: 0,
                reply,
            });
            assert!(answer.blocking_recv().unwrap());
            heard.recv().unwrap()
        };
        (0..8).map(call).collect()
    }

    #[test]
    fn fifo_goes_round_all_threads_and_lifo_stays_on_one() {
        let fifo = served_by(Order::Fifo);
        assert!(
            fifo.windows(3).all(|three| {
                three[0] != three[1] && three[1] != three[2] && three[0] != three[2]
            })
        );
        let lifo = served_by(Order::Lifo);
        assert!(lifo.windows(2).all(|two| two[0] == two[1]), "{lifo:?}");
    }

    #[test]
    fn calls_without_a_thread_wait_in_their_order() {
        let pool = Arc::new(Pool::new(Order::Fifo));
        let (told, heard) = mpsc::channel();
        for number in 0..5 {
            let (reply, _) = oneshot::channel();
            pool.submit(Job {
                number,
                node: 0,
                reply,
            });
        }
        thread::spawn(move || pool.work(|job| told.send(job.number).unwrap()));
        let order: Vec<u64> = heard.iter().take(5).collect();
        assert_eq!(order, [0, 1, 2, 3, 4]);
    }
}
