//! [`Budget`]: how many bytes are held for clients, and how many may be.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use thiserror::Error;

use super::Purpose;

/// The budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the memory that is held for requests is at its limit of {limit_bytes} bytes (--memory-budget); try again later"
)]
pub struct Spent {
    /// The limit.
    pub limit_bytes: usize,
}

/// How many bytes may be held for clients, by all threads together.
///
/// A charge that does not fit is refused at once. It never waits: one that waits while it holds memory could wait for another
/// that does the same.
///
/// What it counts is never freed: the process has one budget. So a [`Charge`] needs no count of those who refer to it, which all
/// threads would have to change for each request.
#[derive(Clone, Copy)]
pub struct Budget {
    state: &'static State,
}

struct State {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
    by_purpose: [Account; Purpose::ALL.len()],
    /// Gives back what is held without need.
    reclaim: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

#[derive(Default)]
struct Account {
    used_bytes: AtomicUsize,
    refusals: AtomicU64,
}

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Arc<Self> {
        let state = State {
            limit_bytes,
            used_bytes: AtomicUsize::new(0),
            by_purpose: Default::default(),
            reclaim: OnceLock::new(),
        };
        Arc::new(Budget {
            state: Box::leak(Box::new(state)),
        })
    }

    /// A budget that is never spent, and counts all the same.
    #[must_use]
    pub fn unlimited() -> Arc<Self> {
        Self::new(usize::MAX)
    }

    /// Has `reclaim` called when a charge does not fit, before the charge is tried a second time. `reclaim` drops what is held
    /// without need, such as idle instances, and does not wait. The first one stays.
    pub fn reclaim_with(&self, reclaim: impl Fn() + Send + Sync + 'static) {
        let _ = self.state.reclaim.set(Box::new(reclaim));
    }

    /// Holds `bytes` until the charge is dropped.
    ///
    /// # Errors
    ///
    /// The budget has no room for them.
    pub fn charge(&self, purpose: Purpose, bytes: usize) -> Result<Charge, Spent> {
        let mut charge = self.open(purpose);
        charge.grow(bytes)?;
        Ok(charge)
    }

    /// Holds `bytes` until the charge is dropped, whether there is room for them or not: what has to go on, and gives memory
    /// back by that. Others are refused meanwhile.
    #[must_use]
    pub fn hold(&self, purpose: Purpose, bytes: usize) -> Charge {
        self.state.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        let account = self.state.account(purpose);
        account.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        Charge {
            budget: self.state,
            purpose,
            bytes,
        }
    }

    /// A charge of nothing, to grow.
    #[must_use]
    pub fn open(&self, purpose: Purpose) -> Charge {
        Charge {
            budget: self.state,
            purpose,
            bytes: 0,
        }
    }

    /// What may be held, in bytes.
    pub fn limit_bytes(&self) -> usize {
        self.state.limit_bytes
    }

    /// What is held, in bytes.
    pub fn used_bytes(&self) -> usize {
        self.state.used_bytes.load(Ordering::Relaxed)
    }

    /// What is held for one purpose, in bytes.
    pub fn used_bytes_for(&self, purpose: Purpose) -> usize {
        self.state.used_bytes_for(purpose)
    }

    /// Whether what is held for one purpose takes more than a quarter of the budget: a time to hold less of it.
    pub fn is_under_pressure(&self, purpose: Purpose) -> bool {
        self.used_bytes_for(purpose) > self.limit_bytes() / 4
    }

    /// How many charges for one purpose were refused since the start.
    pub fn refusals_for(&self, purpose: Purpose) -> u64 {
        self.state.account(purpose).refusals.load(Ordering::Relaxed)
    }
}

impl State {
    fn used_bytes_for(&self, purpose: Purpose) -> usize {
        self.account(purpose).used_bytes.load(Ordering::Relaxed)
    }

    fn account(&self, purpose: Purpose) -> &Account {
        &self.by_purpose[purpose as usize]
    }

    fn take(&self, purpose: Purpose, bytes: usize) -> Result<(), Spent> {
        if bytes == 0 {
            return Ok(());
        }
        let mut taken = self.try_take(bytes);
        if !taken && let Some(reclaim) = self.reclaim.get() {
            reclaim();
            taken = self.try_take(bytes);
        }
        if !taken {
            return Err(self.refuse(purpose));
        }
        let account = self.account(purpose);
        account.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    fn refuse(&self, purpose: Purpose) -> Spent {
        let account = self.account(purpose);
        account.refusals.fetch_add(1, Ordering::Relaxed);
        Spent {
            limit_bytes: self.limit_bytes,
        }
    }

    fn try_take(&self, bytes: usize) -> bool {
        let with = |used: usize| {
            used.checked_add(bytes)
                .filter(|&sum| sum <= self.limit_bytes)
        };
        self.used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, with)
            .is_ok()
    }

    fn give_back(&self, purpose: Purpose, bytes: usize) {
        if bytes > 0 {
            self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
            let account = self.account(purpose);
            account.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, limit) = (self.used_bytes(), self.limit_bytes());
        write!(f, "Budget({used} of {limit} bytes)")
    }
}

/// Bytes that are held on a [`Budget`]. Dropped, it gives them back.
pub struct Charge {
    budget: &'static State,
    purpose: Purpose,
    bytes: usize,
}

impl Charge {
    /// How many bytes it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The budget that it is on.
    pub fn budget(&self) -> Budget {
        Budget { state: self.budget }
    }

    /// Holds `bytes` more.
    ///
    /// # Errors
    ///
    /// The budget has no room for them. The charge is as it was.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Spent> {
        self.budget.take(self.purpose, bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// As [`grow`], where what is held for the purpose may have no more than `most` of the budget.
    ///
    /// [`grow`]: Self::grow
    ///
    /// # Errors
    ///
    /// The budget has no room for them, or that part of it has none. The charge is as it was.
    pub fn grow_within(&mut self, bytes: usize, most: usize) -> Result<(), Spent> {
        let used = self.budget.used_bytes_for(self.purpose);
        if used.checked_add(bytes).is_none_or(|sum| sum > most) {
            return Err(self.budget.refuse(self.purpose));
        }
        self.grow(bytes)
    }

    /// Takes `bytes` of what it holds, or all of it where that is less, as a charge of their own.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Charge {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Charge {
            budget: self.budget,
            purpose: self.purpose,
            bytes,
        }
    }

    /// Holds `bytes` less, or nothing where it holds less than that.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.give_back(self.purpose, bytes);
    }

    /// Holds exactly `bytes`.
    ///
    /// # Errors
    ///
    /// That is more than it holds now, and the budget has no room for it. The charge is as it was.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Spent> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.grow(more),
            None => {
                self.shrink(self.bytes - bytes);
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Charge({:?}, {} bytes)", self.purpose, self.bytes)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.give_back(self.purpose, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_charge_that_does_not_fit_is_refused_and_changes_nothing() {
        let budget = Budget::new(100);
        let mut first = budget.charge(Purpose::Bodies, 60).unwrap();
        assert_eq!(
            budget.charge(Purpose::Guests, 41).unwrap_err(),
            Spent { limit_bytes: 100 }
        );
        assert_eq!(first.grow(41), Err(Spent { limit_bytes: 100 }));
        assert_eq!((first.bytes(), budget.used_bytes()), (60, 60));
        assert_eq!(budget.refusals_for(Purpose::Guests), 1);
        assert_eq!(budget.refusals_for(Purpose::Bodies), 1);
        let second = budget.charge(Purpose::Guests, 40).unwrap();
        drop(first);
        assert_eq!(budget.used_bytes_for(Purpose::Bodies), 0);
        assert_eq!(budget.used_bytes_for(Purpose::Guests), 40);
        drop(second);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn what_is_held_without_need_is_given_back_before_a_charge_is_refused() {
        let budget = Budget::new(100);
        let idle = parking_lot::Mutex::new(Some(budget.charge(Purpose::Guests, 80).unwrap()));
        budget.reclaim_with(move || drop(idle.lock().take()));
        let charge = budget.charge(Purpose::Bodies, 100).unwrap();
        assert_eq!(budget.refusals_for(Purpose::Bodies), 0);
        assert!(budget.charge(Purpose::Bodies, 1).is_err());
        drop(charge);
    }

    #[test]
    fn what_has_to_go_on_has_room_in_any_case_and_others_are_refused_meanwhile() {
        let budget = Budget::new(100);
        let held = budget.hold(Purpose::Messages, 150);
        assert_eq!(budget.used_bytes_for(Purpose::Messages), 150);
        assert!(budget.charge(Purpose::Bodies, 1).is_err());
        drop(held);
        assert_eq!(budget.used_bytes(), 0);
        assert!(budget.charge(Purpose::Bodies, 100).is_ok());
    }

    #[test]
    fn a_part_of_the_budget_can_be_set_for_a_purpose() {
        let budget = Budget::new(100);
        let mut bodies = budget.open(Purpose::Bodies);
        bodies.grow_within(50, 50).unwrap();
        assert!(bodies.grow_within(1, 50).is_err());
        assert_eq!(budget.refusals_for(Purpose::Bodies), 1);
        budget.open(Purpose::Guests).grow_within(50, 50).unwrap();
        assert_eq!(
            bodies.grow_within(60, 1000),
            Err(Spent { limit_bytes: 100 })
        );
    }

    #[test]
    fn a_part_of_a_charge_is_given_back_by_itself() {
        let budget = Budget::new(100);
        let mut charge = budget.charge(Purpose::Answers, 50).unwrap();
        let part = charge.split(20);
        assert_eq!(
            (charge.bytes(), part.bytes(), budget.used_bytes()),
            (30, 20, 50)
        );
        drop(charge);
        assert_eq!(budget.used_bytes_for(Purpose::Answers), 20);
        drop(part);
        assert_eq!(budget.used_bytes(), 0);
    }

    proptest! {
        /// Whatever is done to charges, the budget holds their sum, and never more than its limit.
        #[test]
        fn the_budget_holds_the_sum_of_its_charges(
            steps in proptest::collection::vec((0..Purpose::ALL.len(), 0..3_u8, 0..60_usize), 0..200),
        ) {
            let budget = Budget::new(100);
            let mut charges = Purpose::ALL.map(|purpose| budget.open(purpose));
            for (which, step, bytes) in steps {
                let charge = &mut charges[which];
                let before = charge.bytes();
                let fits = |more: usize| budget.used_bytes() + more <= 100;
                let expected = match step {
                    0 if fits(bytes) => before + bytes,
                    1 => before.saturating_sub(bytes),
                    2 if bytes <= before || fits(bytes - before) => bytes,
                    _ => before,
                };
                match step {
                    0 => drop(charge.grow(bytes)),
                    1 => charge.shrink(bytes),
                    _ => drop(charge.resize(bytes)),
                }
                prop_assert_eq!(charge.bytes(), expected);
                let sum: usize = charges.iter().map(Charge::bytes).sum();
                prop_assert_eq!(budget.used_bytes(), sum);
                for (purpose, charge) in Purpose::ALL.into_iter().zip(&charges) {
                    prop_assert_eq!(budget.used_bytes_for(purpose), charge.bytes());
                }
            }
            drop(charges);
            prop_assert_eq!(budget.used_bytes(), 0);
        }
    }
}
