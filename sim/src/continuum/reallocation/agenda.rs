//! What happens next: steps on the flow, each course of them with something that
//! happens at its end.

use tidegate_core::{Span, Time};

use crate::flow::{Flow, Mark, Step};

/// What a note says when the steps have come to their end, and when they have come to
/// nothing.
const DONE: u32 = 0;
const NOTHING: u32 = 1;

/// What steps end with that come to nothing: what was to happen does not.
pub(super) fn given_up() -> Vec<Step> {
    vec![Step::Note(Mark::Now(NOTHING))]
}

/// Events that wait for the end of their steps.
#[derive(Debug)]
pub(super) struct Agenda<E> {
    waiting: Vec<Option<E>>,
    free: Vec<usize>,
}

impl<E> Agenda<E> {
    pub(super) fn new() -> Agenda<E> {
        Agenda {
            waiting: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Goes through `steps` from now on; then `event` happens.
    pub(super) fn after(&mut self, flow: &mut Flow, mut steps: Vec<Step>, event: E) {
        steps.push(Step::Note(Mark::Now(DONE)));
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.waiting.push(None);
                self.waiting.len() - 1
            }
        };
        self.waiting[slot] = Some(event);
        flow.start(flow.now(), slot as u64, steps);
    }

    /// `event` happens when `span` has passed.
    pub(super) fn wait(&mut self, flow: &mut Flow, span: Span, event: E) {
        self.after(flow, vec![Step::Wait(span)], event);
    }

    /// `event` happens at `time`, or now if that has passed.
    pub(super) fn at(&mut self, flow: &mut Flow, time: Time, event: E) {
        let span = time.since(flow.now());
        self.wait(flow, span, event);
    }

    /// The next thing that happens.
    pub(super) fn next(&mut self, flow: &mut Flow) -> Option<E> {
        loop {
            let note = flow.next()?;
            let slot = note.tag as usize;
            self.free.push(slot);
            let event = self.waiting.get_mut(slot)?.take();
            if note.what == DONE {
                return event;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_when_their_steps_end_and_places_are_used_again() {
        let (mut flow, mut agenda) = (Flow::new(), Agenda::new());
        agenda.wait(&mut flow, Span(30), 'b');
        agenda.at(&mut flow, Time(10), 'a');
        assert_eq!(agenda.next(&mut flow), Some('a'));
        agenda.at(&mut flow, Time(5), 'c');
        assert_eq!(agenda.next(&mut flow), Some('c'));
        assert_eq!(flow.now(), Time(10));
        assert_eq!(agenda.next(&mut flow), Some('b'));
        agenda.after(&mut flow, given_up(), 'd');
        assert_eq!(agenda.next(&mut flow), None);
        assert_eq!(agenda.waiting.len(), 2);
    }
}
