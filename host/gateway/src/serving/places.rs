//! [`Places`]: a bounded number of connections, of which the idlest makes room for a new one.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::activity::Activity;

/// Places for connections that must not be kept out by others that only hold theirs. A new connection always gets one.
pub struct Places {
    free: Arc<Semaphore>,
    /// What goes on on those that have a place, but for those that were told to make room.
    taken: Mutex<Vec<Arc<Activity>>>,
}

/// The place of a connection, until this is dropped.
pub struct Place {
    places: Arc<Places>,
    activity: Arc<Activity>,
    /// Nothing once this is dropped.
    permit: Option<OwnedSemaphorePermit>,
}

impl Places {
    /// So many, all of them free.
    pub fn new(count: usize) -> Arc<Self> {
        Arc::new(Places {
            free: Arc::new(Semaphore::new(count)),
            taken: Mutex::default(),
        })
    }

    /// A place for the connection that this is the activity of. Where there is no free one, the idlest connection has to make
    /// room, and its end is waited for: there are never more connections than places.
    pub async fn take(self: &Arc<Self>, activity: &Arc<Activity>) -> Option<Place> {
        let permit = match self.free_or_evict() {
            Some(permit) => permit,
            // It is never closed.
            None => self.free.clone().acquire_owned().await.ok()?,
        };
        self.taken.lock().push(activity.clone());
        Some(Place {
            places: self.clone(),
            activity: activity.clone(),
            permit: Some(permit),
        })
    }

    /// A free place; where there is none, the idlest connection is told to make room.
    fn free_or_evict(&self) -> Option<OwnedSemaphorePermit> {
        // Places are given up under the same lock: none becomes free while another connection is told to go.
        let mut taken = self.taken.lock();
        if let Ok(permit) = self.free.clone().try_acquire_owned() {
            return Some(permit);
        }
        let idlest = taken
            .iter()
            .enumerate()
            .max_by_key(|(_, activity)| activity.idleness());
        if let Some((index, _)) = idlest {
            taken.swap_remove(index).evict();
        }
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        if let Some(index) = taken
            .iter()
            .position(|activity| Arc::ptr_eq(activity, &self.activity))
        {
            taken.swap_remove(index);
        }
        self.permit = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_gets_the_place_of_the_idlest_once_that_has_ended() {
        let places = Places::new(2);
        let mut ended = Vec::new();
        for _ in 0..5 {
            let activity = Arc::new(Activity::begin());
            let place = places.take(&activity).await;
            assert!(places.free.available_permits() <= 1);
            ended.push(tokio::spawn(async move {
                let _place = place;
                activity.evicted().await;
                sleep(Duration::from_millis(10)).await;
            }));
            sleep(Duration::from_secs(1)).await;
        }
        let open: Vec<_> = ended.iter().map(|ended| !ended.is_finished()).collect();
        assert_eq!(open, [false, false, false, true, true]);
        assert_eq!(places.taken.lock().len(), 2);
    }

    #[tokio::test]
    async fn a_place_that_was_given_up_is_free() {
        let places = Places::new(1);
        for _ in 0..3 {
            let activity = Arc::new(Activity::begin());
            drop(places.take(&activity).await);
            assert!(places.taken.lock().is_empty());
        }
    }
}
