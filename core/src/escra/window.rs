//! The windowed mean of the authors' controller.

/// The mean of the last `n` values, with two habits of the original: until `n`
/// values have come it divides by their number, and emptying it sets the values
/// to zero but keeps dividing by as many as before.
#[derive(Clone, Debug)]
pub(super) struct Window {
    values: Vec<f64>,
    next: usize,
    filled: usize,
}

impl Window {
    pub(super) fn new(n: usize) -> Window {
        Window {
            values: vec![0.0; n.max(1)],
            next: 0,
            filled: 0,
        }
    }

    pub(super) fn push(&mut self, value: f64) {
        self.values[self.next] = value;
        self.next = (self.next + 1) % self.values.len();
        self.filled = (self.filled + 1).min(self.values.len());
    }

    /// Zero while nothing has come. A fresh sum each time: a running one would
    /// drift and could miss the thresholds it is compared with.
    pub(super) fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.filled.max(1) as f64
    }

    pub(super) fn flush(&mut self) {
        self.values.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divides_by_what_has_come_until_full() {
        let mut window = Window::new(10);
        window.push(1.0);
        assert_eq!(window.mean(), 1.0);
        for _ in 0..4 {
            window.push(0.0);
        }
        assert_eq!(window.mean(), 0.2);
    }

    #[test]
    fn flushing_keeps_the_divisor() {
        let mut window = Window::new(10);
        for _ in 0..12 {
            window.push(1.0);
        }
        assert_eq!(window.mean(), 1.0);
        window.flush();
        assert_eq!(window.mean(), 0.0);
        window.push(1.0);
        assert_eq!(window.mean(), 0.1);
    }
}
