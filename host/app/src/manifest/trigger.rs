//! `[[trigger.http]]`: routes and what answers them.

use std::collections::BTreeSet;

use super::component::Inline;
use super::reader::{Item, Section};
use super::static_response;
use crate::route::Pattern;
use crate::{AppError, Route, Target, Trigger};

/// Reads `[trigger]` in the manifest's order. The public routes go to `routes`, and components that are written inside a
/// trigger to `components`.
pub(crate) fn read_all(
    item: &Item<'_>,
    components: &mut Inline<'_>,
    routes: &mut Vec<Route>,
) -> Result<Vec<Trigger>, AppError> {
    let mut section = item.section("[trigger]")?;
    for item in section.items() {
        if item.key == "type" || item.key == "base" {
            return Err(item.error(
                "a [trigger] with a `type` is from manifest version 1; write [[trigger.http]]",
            ));
        }
        if item.key != "http" {
            return Err(item.error(format!(
                "[[trigger.{}]]: only the `http` trigger is supported here; remove the trigger, or run this application with `spin up`",
                item.key
            )));
        }
    }
    let Some(http) = section.take("http") else {
        return Err(section.error(
            "[trigger] holds no [[trigger.http]], so the application would answer nothing",
        ));
    };
    if !http.is_list() {
        return Err(http.error("[trigger.http] must be written with two brackets, [[trigger.http]], once for each route"));
    }
    let mut sections = Vec::new();
    for item in http.list()? {
        sections.push(item.section("[[trigger.http]]")?);
    }
    let ids = Ids::of(&mut sections)?;
    let mut triggers = Vec::new();
    for (mut section, id) in sections.into_iter().zip(ids.0) {
        if !section.document.origin.has_lines() {
            section.name = format!("the trigger `{id}`");
        }
        triggers.push(read(section, id, components, routes)?);
    }
    Ok(triggers)
}

fn read(
    mut section: Section<'_>,
    id: String,
    components: &mut Inline<'_>,
    routes: &mut Vec<Route>,
) -> Result<Trigger, AppError> {
    for (key, what) in [
        (
            "components",
            "further components are not supported here; a trigger has one `component`",
        ),
        (
            "dependencies",
            "trigger dependencies (middleware) are not supported here",
        ),
    ] {
        if let Some(item) = section.take(key)
            && !item.is_empty()
        {
            return Err(item.error(format!("{}: {what}", item.name)));
        }
    }
    if let Some(executor) = section.take("executor") {
        read_executor(&executor)?;
    }
    let route = read_route(&mut section, "")?;
    let component = section.take("component");
    let response = section.take("static_response");
    let (component, target) = match (component, response) {
        (Some(component), None) => {
            let index = read_component(&component, &id, components)?;
            (
                Some(components.id(index).to_owned()),
                Target::Component(index),
            )
        }
        (None, Some(response)) => (None, Target::Static(static_response::read(&response)?)),
        (Some(_), Some(_)) => {
            return Err(section.error(format!(
                "{} has both `component` and `static_response`; keep one of the two",
                section.name
            )));
        }
        (None, None) => {
            return Err(section.error(format!(
                "{} has neither `component` nor `static_response`; add one of the two",
                section.name
            )));
        }
    };
    let mut config = section.to_json()?;
    section.finish()?;
    if let Some(pattern) = route {
        let name = component.clone().unwrap_or_else(|| id.clone());
        routes.push(Route::new(name, target, pattern));
    }
    // These have fields of their own, or are empty.
    for key in ["id", "component", "components", "dependencies"] {
        config.remove(key);
    }
    Ok(Trigger {
        id,
        component,
        config,
    })
}

fn read_component(
    item: &Item<'_>,
    trigger: &str,
    components: &mut Inline<'_>,
) -> Result<usize, AppError> {
    if !item.is_string() {
        return components.add(item, trigger);
    }
    let id = item.string()?;
    components.find(id).ok_or_else(|| {
        item.error(format!(
            "there is no [component.{id}]; the components are {}",
            components.known()
        ))
    })
}

/// The route behind the path `base`, or `None` for a private one: nothing from outside reaches it.
pub(crate) fn read_route(
    section: &mut Section<'_>,
    base: &str,
) -> Result<Option<Pattern>, AppError> {
    let item = section.require("route", "route = \"/...\"")?;
    if let Some(mut private) = item.table_or_none("`route` in [[trigger.http]]") {
        let is_private = private.require("private", "private = true")?.boolean()?;
        private.finish()?;
        return if is_private {
            Ok(None)
        } else {
            Err(item.error(
                "a `route` is a path, or `{ private = true }`; `private = false` is neither",
            ))
        };
    }
    let text = behind(base, item.string()?);
    let pattern =
        Pattern::parse(&text).map_err(|fault| item.error(format!("route {text:?}: {fault}")))?;
    Ok(Some(pattern))
}

/// Both paths as one, with a slash between them. No base and `/` are the same.
fn behind(base: &str, route: &str) -> String {
    let base = base.trim_end_matches('/');
    if base.is_empty() || route.starts_with('/') {
        format!("{base}{route}")
    } else {
        format!("{base}/{route}")
    }
}

pub(crate) fn read_executor(item: &Item<'_>) -> Result<(), AppError> {
    let mut section = item.section(item.name.clone())?;
    let kind = section.require("type", "type = \"http\"")?;
    match kind.string()? {
        "http" | "spin" => section.finish(),
        "wagi" => Err(kind.error(
            "the `wagi` executor is not supported here; build the component for `wasi:http` and remove `executor`",
        )),
        other => Err(kind.error(format!("unknown executor {other:?}; remove `executor`, or write {{ type = \"http\" }}"))),
    }
}

/// The triggers' ids: the manifest's own, and Spin's names for those without one.
struct Ids(Vec<String>);

impl Ids {
    fn of(triggers: &mut [Section<'_>]) -> Result<Self, AppError> {
        let mut ids = Vec::new();
        for section in triggers.iter_mut() {
            ids.push(section.string_or_empty("id")?);
        }
        let mut taken: BTreeSet<String> = ids.iter().filter(|id| !id.is_empty()).cloned().collect();
        for (section, id) in triggers.iter_mut().zip(&mut ids) {
            if !id.is_empty() {
                continue;
            }
            let component = section.peek("component").filter(|item| item.is_string());
            let natural = match component {
                Some(item) => Some(format!("{}-http-trigger", item.string()?)),
                None => None,
            };
            let mut candidates = natural
                .into_iter()
                .chain((1usize..).map(|n| format!("http-trigger{n}")));
            *id = candidates
                .find(|id| !taken.contains(id))
                .unwrap_or_default();
            taken.insert(id.clone());
        }
        Ok(Self(ids))
    }
}
