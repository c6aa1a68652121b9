//! [`Register`]: what a key is, for the search: what may be done to it, one thing after another.

use std::cell::Cell;

use todc_utils::specifications::Specification;

/// What is done to a key.
///
/// A search that tries every operation at every place takes as many steps as unknown operations have subsets, so the steps
/// say where an operation can matter:
///
/// - After a put whose value is read, the next thing is such a read: values are unique, and anything else would either
///   change nothing or put an end to the value unread.
/// - A put of unknown outcome that is never read can only give a delete something to remove, that found nothing otherwise.
///   A delete of unknown outcome can only take away a value before a read that finds nothing. Where they do neither, they
///   are as good as never done, and never done is done after the end.
/// - Any of several such puts serves as well as another that began before it; so they are taken in the order of their
///   beginnings, and likewise the deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It has this value from here on, which nobody reads.
    Write(u64),
    /// It has this value from here on.
    WriteThatIsRead(u64),
    /// It is this now. A delete that finds nothing is a read, too.
    Read(Option<u64>),
    /// It has a value, and has none from here on.
    Remove,
    /// The put of unknown outcome with this number, from 1, that nobody reads.
    SpareWrite(u32),
    /// The delete of unknown outcome with this number, from 1.
    SpareRemoval(u32),
    /// All with an outcome is done.
    End,
    /// What cannot be.
    Never,
}

/// What a key is in the course of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    value: Option<u64>,
    next: Next,
    /// How many puts and deletes of unknown outcome are used up.
    spare_writes: u32,
    spare_removals: u32,
}

/// What may be done next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Next {
    #[default]
    Anything,
    /// Only a read of the value, or of its absence.
    Read,
    /// Only the removal of a value that nobody reads.
    Removal,
    /// Only what has no outcome: this is the end.
    Nothing,
}

/// A key: the value that it has, if it has one.
pub struct Register;

impl Register {
    /// Gives the searches of this thread so many steps.
    pub fn allow(steps: u64) {
        STEPS_LEFT.set(steps);
    }

    /// Whether a search has used its steps up.
    pub fn is_exhausted() -> bool {
        STEPS_LEFT.get() == 0
    }

    fn step(step: Step, state: State) -> Option<State> {
        let next = |value, next| State {
            value,
            next,
            ..state
        };
        match (state.next, step) {
            (Next::Nothing, Step::SpareWrite(_) | Step::SpareRemoval(_)) => Some(state),
            (Next::Anything, Step::Write(value)) => Some(next(Some(value), Next::Anything)),
            (Next::Anything, Step::WriteThatIsRead(value)) => Some(next(Some(value), Next::Read)),
            (Next::Anything | Next::Read, Step::Read(value)) if value == state.value => {
                Some(next(value, Next::Anything))
            }
            (Next::Anything, Step::Remove) if state.value.is_some() => {
                Some(next(None, Next::Anything))
            }
            (Next::Removal, Step::Remove) => Some(next(None, Next::Anything)),
            (Next::Anything, Step::SpareWrite(number))
                if state.value.is_none() && number == state.spare_writes + 1 =>
            {
                Some(State {
                    spare_writes: number,
                    ..next(None, Next::Removal)
                })
            }
            (Next::Anything, Step::SpareRemoval(number))
                if state.value.is_some() && number == state.spare_removals + 1 =>
            {
                Some(State {
                    spare_removals: number,
                    ..next(None, Next::Read)
                })
            }
            (Next::Anything, Step::End) => Some(next(None, Next::Nothing)),
            _ => None,
        }
    }
}

impl Specification for Register {
    type State = State;
    type Operation = Step;

    fn init() -> State {
        State::default()
    }

    fn apply(step: &Step, state: &State) -> (bool, State) {
        // The crate's search has no bound of its own. When the steps are used up nothing is valid any more, and the
        // search comes to its end.
        let left = STEPS_LEFT.get();
        match Register::step(*step, *state) {
            Some(next) if left > 0 => {
                STEPS_LEFT.set(left - 1);
                (true, next)
            }
            _ => (false, *state),
        }
    }
}

thread_local! {
    static STEPS_LEFT: Cell<u64> = const { Cell::new(0) };
}
