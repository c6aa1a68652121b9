//! From a locked application back to the manifest it was made from, in which contents are files of the folder of blobs.
//!
//! The reader of manifests does the rest, so an application from a registry is held to the same rules, in the same words.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::blobs::Blobs;
use super::limits;
use super::locked::{LockedApplication, LockedComponent, LockedContent, LockedTrigger};
use spindrift_app::Digest;

/// What a locked application is made of.
#[derive(Debug)]
pub(crate) struct Unlocked {
    /// The text of a manifest.
    pub(crate) manifest: String,
    /// The contents of each component, by its id.
    pub(crate) contents: BTreeMap<String, Vec<Content>>,
}

/// Something that a component consists of.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    /// Its digest.
    pub(crate) digest: Digest,
    /// The content itself, if the locked application has it.
    pub(crate) inline: Option<Vec<u8>>,
    /// What it is, in words.
    pub(crate) what: String,
}

/// Unlocks an application.
///
/// # Errors
///
/// What is wrong with it, as the end of a sentence whose subject is the locked application.
pub(crate) fn unlock(application: LockedApplication) -> Result<Unlocked, String> {
    refuse_requirements(&application)?;
    let files: usize = application
        .components
        .iter()
        .map(|component| component.files.len())
        .sum();
    if files > limits::FILES {
        return Err(format!(
            "has {files} files, and at most {} are taken",
            limits::FILES
        ));
    }

    let mut contents = BTreeMap::new();
    let mut components = Map::new();
    for component in application.components {
        let id = component.id.clone();
        let mut own = Vec::new();
        let table = unlock_component(component, &mut own)?;
        if components.insert(id.clone(), table).is_some() {
            return Err(format!("has the component `{id}` twice"));
        }
        contents.insert(id, own);
    }
    let mut triggers: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for trigger in application.triggers {
        let kind = trigger.trigger_type.clone();
        triggers
            .entry(kind)
            .or_default()
            .push(unlock_trigger(trigger)?);
    }
    let mut variables = Map::new();
    for (name, variable) in application.variables {
        let mut table = Map::new();
        table.insert("required".into(), variable.default.is_none().into());
        table.insert("default".into(), variable.default.into());
        table.insert("description".into(), variable.description.into());
        table.insert("secret".into(), variable.secret.into());
        variables.insert(name, table.into());
    }

    let mut manifest = json!({
        "spin_manifest_version": 2,
        "application": unlock_details(application.metadata),
        "variables": variables,
        "trigger": triggers,
        "component": components,
    });
    // Nothing says the same in TOML, which has no null.
    remove_nulls(&mut manifest);
    let manifest = toml::Value::try_from(manifest)
        .map_err(|error| error.to_string())
        .and_then(|manifest| toml::to_string(&manifest).map_err(|error| error.to_string()))
        .map_err(|error| format!("holds what no manifest can: {error}"))?;
    Ok(Unlocked { manifest, contents })
}

/// The requirement that the hosts in `allowed_outbound_hosts` stand for, which are judged there.
const SERVICE_CHAINING: &str = "local_service_chaining";
/// A requirement that is none.
const OPTIONAL: &str = "optional";

/// Refuses what the application needs from a host and is not known here.
fn refuse_requirements(application: &LockedApplication) -> Result<(), String> {
    let known = ["host_requirements", "component_host_requirements"];
    if let Some(field) = application
        .must_understand
        .iter()
        .find(|field| !known.contains(&field.as_str()))
    {
        return Err(format!(
            "says that a host must understand {field:?}, which is not known here"
        ));
    }
    let components = application.components.iter();
    let requirements = components.flat_map(|component| &component.host_requirements);
    let unmet = application
        .host_requirements
        .iter()
        .chain(requirements)
        .find(|(name, value)| {
            name.as_str() != SERVICE_CHAINING && value.as_str() != Some(OPTIONAL)
        });
    match unmet {
        None => Ok(()),
        Some((name, _)) => Err(format!(
            "requires the feature {name:?} of the host, which is not supported here"
        )),
    }
}

fn unlock_details(mut metadata: Map<String, Value>) -> Value {
    let mut details = Map::new();
    for key in ["name", "version", "description", "authors"] {
        if let Some(value) = metadata.remove(key) {
            details.insert(key.into(), value);
        }
    }
    let common = match (metadata.remove("triggers"), metadata.remove("trigger")) {
        (Some(triggers), _) => triggers,
        // As the first versions have it: of the one trigger's type.
        (None, Some(Value::Object(mut trigger))) => match trigger.remove("type") {
            Some(Value::String(kind)) => json!({ kind: trigger }),
            _ => Value::Null,
        },
        (None, _) => Value::Null,
    };
    details.insert("trigger".into(), common);
    details.into()
}

fn unlock_trigger(trigger: LockedTrigger) -> Result<Value, String> {
    let Value::Object(mut table) = trigger.trigger_config else {
        return Err(format!(
            "has settings of the trigger `{}` that are no object",
            trigger.id
        ));
    };
    table.insert("id".into(), trigger.id.into());
    if !trigger.trigger_dependencies.is_empty() {
        table.insert("dependencies".into(), trigger.trigger_dependencies.into());
    }
    Ok(table.into())
}

fn unlock_component(
    component: LockedComponent,
    contents: &mut Vec<Content>,
) -> Result<Value, String> {
    let id = component.id;
    let mut metadata = component.metadata;
    let mut table = Map::new();
    for (key, field) in [
        ("description", "description"),
        ("allowed_outbound_hosts", "allowed_outbound_hosts"),
        ("allowed_http_hosts", "allowed_http_hosts"),
        ("key_value_stores", "key_value_stores"),
        ("databases", "sqlite_databases"),
        ("ai_models", "ai_models"),
    ] {
        if let Some(value) = metadata.remove(key) {
            table.insert(field.into(), value);
        }
    }
    let mut dependencies = component.dependencies;
    dependencies.extend(component.trigger_dependencies);
    table.insert("dependencies".into(), dependencies.into());
    table.insert("environment".into(), json!(component.env));
    table.insert("variables".into(), json!(component.config));

    let source = content(
        component.source.content,
        format!("the WebAssembly of component `{id}`"),
    )?;
    table.insert("source".into(), Blobs::relative_path(&source.digest).into());
    contents.push(source);
    let mut files = Vec::new();
    for file in component.files {
        let path = &file.path;
        if !is_inside(path) {
            return Err(format!(
                "has a file of component `{id}` at {path:?}, which is not inside its folder"
            ));
        }
        let what = format!("the file {path:?} of component `{id}`");
        let content = content(file.content, what)?;
        files.push(json!({
            "source": Blobs::relative_path(&content.digest),
            "destination": format!("/{path}"),
        }));
        contents.push(content);
    }
    table.insert("files".into(), files.into());
    Ok(table.into())
}

fn content(content: LockedContent, what: String) -> Result<Content, String> {
    match (content.digest, content.inline) {
        (Some(digest), inline) => match Digest::parse(&digest) {
            Some(digest) => Ok(Content {
                digest,
                inline,
                what,
            }),
            None => Err(format!(
                "names {what} by the digest {digest:?}, which is not `sha256:` and 64 hexadecimal digits"
            )),
        },
        (None, Some(inline)) => Ok(Content {
            digest: Digest::of(&inline),
            inline: Some(inline),
            what,
        }),
        (None, None) => Err(format!(
            "names {what} by no digest, as one does that was never pushed"
        )),
    }
}

/// Whether a path stays in its folder: names with single slashes between them.
pub(crate) fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\0')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(remove_nulls);
        }
        Value::Array(entries) => {
            entries.retain(|entry| !entry.is_null());
            entries.iter_mut().for_each(remove_nulls);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
