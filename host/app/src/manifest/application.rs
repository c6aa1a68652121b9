//! The whole manifest: its version, `[application]`, and the tables that the other files read.

use std::path::Path;

use super::component::{self, Inline};
use super::reader::{Document, Section};
use super::version::Version;
use super::{trigger, variables, version_1};
use crate::{AppError, Application, Origin, Route, Router, Target};

/// Reads the manifest `text`, which is from `origin`; paths in it start at the folder `root`. Keeps only these
/// `components`, or all if there are none.
///
/// # Errors
///
/// As [`load`](crate::load()).
pub fn read(
    origin: &Origin,
    root: &Path,
    text: &str,
    components: &[String],
) -> Result<Application, AppError> {
    let document = Document::new(origin, text);
    let table = document.parse()?;
    let mut manifest = Section::new(&document, "the manifest", 0, &table);
    let mut routes = Vec::new();
    let mut warnings = Vec::new();
    let mut application = match Version::read(&mut manifest)? {
        Version::One => version_1::read(manifest, origin, root, &mut routes, &mut warnings)?,
        Version::Two => read_version_2(manifest, origin, root, &mut routes, &mut warnings)?,
    };
    if !components.is_empty() {
        routes = retain(components, &mut application, routes)?;
    }
    application.router = Router::new(routes, &mut warnings);
    application.root = root.to_owned();
    application.warnings = warnings;
    Ok(application)
}

/// Reads all of the manifest but its version. The public routes go to `routes`.
fn read_version_2(
    mut manifest: Section<'_>,
    origin: &Origin,
    root: &Path,
    routes: &mut Vec<Route>,
    warnings: &mut Vec<String>,
) -> Result<Application, AppError> {
    let details = manifest
        .require("application", "[application]")?
        .section("[application]")?;
    let mut application = read_details(details, origin, warnings)?;

    let variables = manifest.take("variables");
    let components = manifest.take("component");
    let triggers = manifest.take("trigger");
    let document = manifest.document;
    manifest.finish()?;

    if let Some(item) = variables {
        application.variables = variables::read(&item)?;
    }
    let reader = component::Reader {
        root,
        variables: &application.variables,
        version: Version::Two,
    };
    application.components = match &components {
        Some(item) => component::read_all(item, &reader, warnings)?,
        None => Vec::new(),
    };
    let Some(triggers) = triggers else {
        return Err(document.error(
            0,
            "the manifest has no [[trigger.http]], so the application would answer nothing; add one with a `route` and a `component`",
        ));
    };
    let mut inline = Inline::new(reader, &mut application.components, warnings);
    application.triggers = trigger::read_all(&triggers, &mut inline, routes)?;
    Ok(application)
}

fn read_details(
    mut details: Section<'_>,
    origin: &Origin,
    warnings: &mut Vec<String>,
) -> Result<Application, AppError> {
    let application = read_names(&mut details, origin)?;
    if let Some(triggers) = details.take("trigger") {
        read_trigger_settings(&triggers.section("[application.trigger]")?, warnings)?;
    }
    // Deployment targets are checked by `spin build`; tools have their own tables. Neither changes how the application runs.
    details.take("targets");
    details.take("tool");
    details.finish()?;
    Ok(application)
}

/// Reads what the application is called, and who made it.
pub(crate) fn read_names(
    details: &mut Section<'_>,
    origin: &Origin,
) -> Result<Application, AppError> {
    let name = details.require("name", "name = \"my-application\"")?;
    let text = name.string()?.to_owned();
    if text.trim().is_empty() {
        return Err(name.error("the application's `name` is empty"));
    }
    Ok(Application {
        name: text,
        version: details.string_or_empty("version")?,
        description: details.string_or_empty("description")?,
        authors: details
            .strings("authors")?
            .iter()
            .map(|author| author.string().map(str::to_owned))
            .collect::<Result<_, _>>()?,
        origin: origin.clone(),
        root: Default::default(),
        triggers: Vec::new(),
        components: Vec::new(),
        router: Default::default(),
        variables: Default::default(),
        warnings: Vec::new(),
        content: None,
    })
}

/// `[application.trigger.http]`, where Spin has only the former `base`.
fn read_trigger_settings(
    triggers: &Section<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), AppError> {
    for item in triggers.items() {
        if item.key != "http" {
            // A trigger of that type is refused where it is. Without one, Spin does not look at the table either.
            warnings.push(format!(
                "[application.trigger.{0}] has no effect: the host has the `http` trigger only",
                item.key
            ));
            continue;
        }
        let mut http = item.section("[application.trigger.http]")?;
        if let Some(base) = http.take("base") {
            match base.string()? {
                "/" => warnings.push(
                    "`base` in [application.trigger.http] is deprecated; as it is \"/\", it can be removed".to_owned(),
                ),
                other => {
                    return Err(base.error(format!(
                        "`base` in [application.trigger.http] is no longer supported by Spin; put {other:?} in front of \
                         each `route` instead"
                    )));
                }
            }
        }
        http.finish()?;
    }
    Ok(())
}

/// Keeps the components in `ids`, and of the triggers and routes those that lead to them.
fn retain(
    ids: &[String],
    application: &mut Application,
    routes: Vec<Route>,
) -> Result<Vec<Route>, AppError> {
    let components = &mut application.components;
    if let Some(unknown) = ids
        .iter()
        .find(|id| !components.iter().any(|component| component.id == **id))
    {
        return Err(AppError::Components(format!(
            "{} has no component `{unknown}` to keep; it has {}",
            application.origin,
            component::list(components.iter().map(|component| component.id.as_str()))
        )));
    }
    let mut kept = 0;
    let mut moved = Vec::with_capacity(components.len());
    components.retain(|component| {
        let keep = ids.contains(&component.id);
        moved.push(keep.then_some(kept));
        kept += usize::from(keep);
        keep
    });
    application.triggers.retain(|trigger| {
        let component = trigger.component.as_ref();
        component.is_some_and(|component| ids.contains(component))
    });
    let to_kept = |mut route: Route| match route.target {
        Target::Component(index) => {
            route.target = Target::Component(moved.get(index).copied().flatten()?);
            Some(route)
        }
        Target::Static(_) => None,
    };
    Ok(routes.into_iter().filter_map(to_kept).collect())
}
