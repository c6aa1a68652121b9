//! The checker against a search without any cleverness, on short histories that are right and wrong at random: what the
//! checker leaves out of its search must make no difference.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::checker::check;
use super::history::{Answer, Operation, Outcome, Request};

/// Tries every order of `left` that respects real time, with and without each operation of unknown outcome.
fn possible(left: &mut Vec<Operation>, state: Option<u64>) -> bool {
    let answered = |o: &&Operation| matches!(o.outcome, Outcome::Answered(_));
    let Some(first_end) = left.iter().filter(answered).map(|o| o.completed).min() else {
        return true;
    };
    for index in 0..left.len() {
        if left[index].invoked > first_end {
            continue;
        }
        let operation = left.remove(index);
        let (told, next) = match (operation.request, state) {
            (Request::Put(value), _) => (Answer::Written, Some(value)),
            (Request::Get, Some(value)) => (Answer::Found(value), state),
            (Request::Delete, Some(_)) => (Answer::Deleted, None),
            (Request::Get | Request::Delete, None) => (Answer::Absent, None),
        };
        let fits = match &operation.outcome {
            Outcome::Answered(answer) => *answer == told,
            _ => true,
        };
        let found = fits && possible(left, next);
        left.insert(index, operation);
        if found {
            return true;
        }
    }
    false
}

fn random_history(random: &mut StdRng) -> Vec<Operation> {
    let length = random.random_range(2..=7);
    let mut events: Vec<u64> = (0..2 * length).collect();
    let mut values = 0;
    let mut history = Vec::new();
    for _ in 0..length {
        // Short ones mostly, so that the order matters.
        let start = events.remove(0);
        let end = events.remove(random.random_range(0..events.len().min(4)));
        let request = match random.random_range(0..3) {
            0 => Request::Get,
            1 => Request::Delete,
            _ => {
                values += 1;
                Request::Put(values)
            }
        };
        let unknown = request != Request::Get && random.random_bool(0.35);
        let outcome = match request {
            _ if unknown => Outcome::Unknown(String::new()),
            Request::Put(_) => Outcome::Answered(Answer::Written),
            Request::Get => {
                let found = (1..=3).map(Answer::Found).chain([Answer::Absent; 2]);
                let found: Vec<Answer> = found.collect();
                Outcome::Answered(*found.choose(random).expect("some"))
            }
            Request::Delete => {
                let found = [Answer::Deleted, Answer::Absent];
                Outcome::Answered(*found.choose(random).expect("some"))
            }
        };
        history.push(Operation {
            key: "k".to_owned(),
            client: 0,
            node: String::new(),
            request,
            outcome,
            invoked: start,
            completed: end,
            invoked_us: start,
            completed_us: end,
        });
    }
    history
}

#[test]
fn the_search_without_cleverness_agrees() {
    let mut random = StdRng::seed_from_u64(1);
    let (mut right, mut wrong) = (0, 0);
    for round in 0..60_000 {
        let history = random_history(&mut random);
        let expected = possible(&mut history.clone(), None);
        let report = check(&history);
        assert!(report.undecided.is_empty(), "{report}");
        assert_eq!(
            report.is_linearizable(),
            expected,
            "round {round}: {report}\n{history:#?}"
        );
        *if expected { &mut right } else { &mut wrong } += 1;
    }
    println!("{right} right, {wrong} wrong");
    assert!(right > 5_000 && wrong > 5_000, "{right} and {wrong}");
}
