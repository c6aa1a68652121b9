//! The objects, their versions and their history.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::merge::merge;
use super::problem::Problem;
use super::selector::matches;

/// Where an object is: resource in the plural, namespace, name.
pub type Place = (String, String, String);

/// All objects of all kinds, with one counter for their versions, as etcd has it.
#[derive(Debug, Default)]
pub struct Objects {
    version: u64,
    uids: u64,
    live: BTreeMap<Place, Value>,
    history: VecDeque<Change>,
    /// Changes up to this version are forgotten.
    forgotten: u64,
}

/// One write.
#[derive(Clone, Debug)]
pub struct Change {
    pub version: u64,
    place: Place,
    before: Option<Value>,
    /// `None` for a deletion.
    after: Option<Value>,
}

impl Change {
    /// What a watch of `resource` in `namespace` with a selector sees of it: the type of the event, and the object.
    pub fn seen(
        &self,
        resource: &str,
        namespace: &str,
        selector: &str,
    ) -> Option<(&'static str, Value)> {
        if self.place.0 != resource || self.place.1 != namespace {
            return None;
        }
        let of = |object: &Option<Value>| object.clone().filter(|it| matches(it, selector));
        match (of(&self.before), of(&self.after)) {
            (None, Some(after)) => Some(("ADDED", after)),
            (Some(_), Some(after)) => Some(("MODIFIED", after)),
            // Whether it was deleted or only has other labels now: the object as it was, with the version of the change.
            (Some(mut before), None) => {
                before["metadata"]["resourceVersion"] = json!(self.version.to_string());
                Some(("DELETED", before))
            }
            (None, None) => None,
        }
    }
}

impl Objects {
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn get(&self, place: &Place) -> Result<Value, Problem> {
        let found = self.live.get(place).cloned();
        found.ok_or_else(|| missing(place))
    }

    pub fn list(&self, resource: &str, namespace: &str, selector: &str) -> Vec<Value> {
        let of = |place: &Place| place.0 == resource && place.1 == namespace;
        let all = self.live.iter().filter(|(place, _)| of(place));
        let matching = all.filter(|(_, object)| matches(object, selector));
        matching.map(|(_, object)| object.clone()).collect()
    }

    pub fn create(&mut self, place: Place, mut object: Value) -> Result<Value, Problem> {
        if self.live.contains_key(&place) {
            let message = format!("{} \"{}\" already exists", place.0, place.2);
            return Err(Problem::new(409, "AlreadyExists", message));
        }
        let metadata = &mut object["metadata"];
        if !metadata["resourceVersion"].is_null() {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Problem::new(400, "BadRequest", message));
        }
        self.uids += 1;
        metadata["uid"] = json!(format!("00000000-0000-0000-0000-{:012}", self.uids));
        metadata["namespace"] = json!(place.1);
        metadata["name"] = json!(place.2);
        metadata["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        Ok(self.write(place, Some(object)).unwrap_or_default())
    }

    /// Puts an object in the place of the one with the same resource version.
    pub fn replace(&mut self, place: Place, object: Value) -> Result<Value, Problem> {
        let before = self.get(&place)?;
        let given = object["metadata"]["resourceVersion"].as_str();
        match given {
            // Leases, and most other kinds, have no unconditional update.
            None | Some("") => {
                let message = "metadata.resourceVersion: must be specified for an update";
                Err(Problem::new(422, "Invalid", message))
            }
            given if given != before["metadata"]["resourceVersion"].as_str() => {
                Err(Problem::conflict(&place.2))
            }
            _ => self.change(place, &before, object),
        }
    }

    pub fn patch(&mut self, place: Place, patch: &Value) -> Result<Value, Problem> {
        let before = self.get(&place)?;
        let mut object = before.clone();
        merge(&mut object, patch);
        self.change(place, &before, object)
    }

    fn change(&mut self, place: Place, before: &Value, object: Value) -> Result<Value, Problem> {
        let fixed = |name: &str| object["metadata"][name] == before["metadata"][name];
        if !fixed("uid") || !fixed("name") || !fixed("resourceVersion") {
            return Err(Problem::conflict(&place.2));
        }
        if object == *before {
            return Ok(object);
        }
        Ok(self.write(place, Some(object)).unwrap_or_default())
    }

    pub fn delete(&mut self, place: Place) -> Result<Value, Problem> {
        let before = self.get(&place)?;
        self.write(place, None);
        Ok(before)
    }

    fn write(&mut self, place: Place, mut after: Option<Value>) -> Option<Value> {
        self.version += 1;
        if let Some(object) = &mut after {
            object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        }
        let before = match &after {
            Some(object) => self.live.insert(place.clone(), object.clone()),
            None => self.live.remove(&place),
        };
        self.history.push_back(Change {
            version: self.version,
            place,
            before,
            after: after.clone(),
        });
        after
    }

    /// The changes after a version.
    pub fn since(&self, version: u64) -> Result<Vec<Change>, Problem> {
        if version < self.forgotten {
            return Err(Problem::expired(version));
        }
        let later = self
            .history
            .iter()
            .filter(|change| change.version > version);
        Ok(later.cloned().collect())
    }

    /// Forgets all changes, so that watches have to begin with a list.
    pub fn forget(&mut self) {
        self.history.clear();
        // Something has happened since whatever a client has seen, if only to other objects.
        self.version += 1;
        self.forgotten = self.version;
    }
}

fn missing(place: &Place) -> Problem {
    let message = format!("{} \"{}\" not found", place.0, place.2);
    Problem::new(404, "NotFound", message)
}
