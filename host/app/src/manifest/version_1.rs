//! A manifest of version 1, the form of Spin 1. As in Spin, it becomes an application of version 2.

use std::path::Path;

use super::component::{self, Reader};
use super::reader::{Item, Section};
use super::version::Version;
use super::{application, names, trigger, variables};
use crate::{AppError, Application, Component, Origin, Route, Target, Trigger};

/// Reads all of the manifest but its version. The public routes go to `routes`.
pub(crate) fn read(
    mut manifest: Section<'_>,
    origin: &Origin,
    root: &Path,
    routes: &mut Vec<Route>,
    warnings: &mut Vec<String>,
) -> Result<Application, AppError> {
    warnings.push(
        "the manifest has version 1, the form of Spin 1, and is read as Spin reads it; `spin doctor` makes version 2 of it"
            .to_owned(),
    );
    if let Some(item) = manifest.peek("application") {
        return Err(item.error(
            "[application] is of manifest version 2, and the manifest says that it has version 1; write \
             `spin_manifest_version = 2`",
        ));
    }
    let mut application = application::read_names(&mut manifest, origin)?;
    let base = read_base(&mut manifest)?;
    if let Some(item) = manifest.take("variables") {
        application.variables = variables::read(&item)?;
    }
    let Some(components) = manifest.take("component") else {
        return Err(manifest.error(
            "the manifest has no [[component]], so the application would answer nothing; add one with an `id`, a `source` and a \
             `trigger`",
        ));
    };
    manifest.finish()?;
    if !components.is_list() {
        return Err(components.error(
            "[component] must be written with two brackets, [[component]], once for each component",
        ));
    }
    let reader = Reader {
        root,
        variables: &application.variables,
        version: Version::One,
    };
    for item in components.list()? {
        let mut section = item.section("[[component]]")?;
        let id = read_id(&mut section, &application.components)?;
        section.name = format!("[[component]] `{id}`");
        let trigger = section.require("trigger", "trigger = { route = \"/...\" }")?;
        let component = component::read(&id, section, &reader, warnings)?;
        let target = Target::Component(application.components.len());
        application.components.push(component);
        let trigger = read_trigger(&trigger, &id, target, &base, routes)?;
        application.triggers.push(trigger);
    }
    Ok(application)
}

/// Reads `trigger`, which all components share, for the path in front of their routes.
fn read_base(manifest: &mut Section<'_>) -> Result<String, AppError> {
    let trigger = manifest.require("trigger", "trigger = { type = \"http\" }")?;
    let mut section = trigger.section("`trigger`")?;
    let kind = section.require("type", "type = \"http\"")?;
    let name = kind.string()?;
    if name != "http" {
        return Err(kind.error(format!(
            "the application has the trigger {name:?}; only \"http\" is supported here, so run it with `spin up`"
        )));
    }
    let base = section.string_or_empty("base")?;
    section.finish()?;
    Ok(base)
}

/// Reads a component's id, and makes it one that version 2 allows, as Spin does. It must differ from those of `others`.
fn read_id(section: &mut Section<'_>, others: &[Component]) -> Result<String, AppError> {
    let item = section.require("id", "id = \"my-component\"")?;
    let text = item.string()?;
    let id = match names::check_kebab_case(text) {
        Ok(()) => text.to_owned(),
        Err(_) => text.replace('_', "-").to_lowercase(),
    };
    names::check_kebab_case(&id)
        .map_err(|fault| item.error(format!("component id {text:?}: {fault}")))?;
    if others.iter().any(|other| other.id == id) {
        return Err(item.error(format!(
            "component id {text:?}: another component has the id `{id}`, too"
        )));
    }
    Ok(id)
}

/// Reads the trigger of the component `id`, which is `target`.
fn read_trigger(
    item: &Item<'_>,
    id: &str,
    target: Target,
    base: &str,
    routes: &mut Vec<Route>,
) -> Result<Trigger, AppError> {
    let mut section = item.section(format!("`trigger` of component `{id}`"))?;
    if let Some(executor) = section.take("executor") {
        trigger::read_executor(&executor)?;
    }
    let pattern = trigger::read_route(&mut section, base)?;
    let mut config = section.to_json()?;
    section.finish()?;
    if let Some(pattern) = pattern {
        let route = Route::new(id.to_owned(), target, pattern);
        config.insert("route".to_owned(), route.raw().into());
        routes.push(route);
    }
    Ok(Trigger {
        id: format!("trigger-{id}"),
        component: Some(id.to_owned()),
        config,
    })
}
