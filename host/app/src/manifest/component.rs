//! `[component.ID]`, and components written inside a trigger.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::reader::{Item, Section};
use super::source::{self, Source};
use super::version::Version;
use super::{hosts, names};
use crate::files::{check_pattern, check_placed};
use crate::{AppError, Build, Component, FileMount, Files, Template, Variable};

/// What reading a component takes besides its table.
pub(crate) struct Reader<'a> {
    pub(crate) root: &'a Path,
    pub(crate) variables: &'a BTreeMap<String, Variable>,
    /// Which fields there are.
    pub(crate) version: Version,
}

/// Where components that are written inside a trigger go.
pub(crate) struct Inline<'a> {
    reader: Reader<'a>,
    components: &'a mut Vec<Component>,
    warnings: &'a mut Vec<String>,
}

/// Reads `[component]`, in the manifest's order.
pub(crate) fn read_all(
    item: &Item<'_>,
    reader: &Reader<'_>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Component>, AppError> {
    if item.is_list() {
        return Err(item.error("[[component]] is from manifest version 1; write [component.ID]"));
    }
    let mut components = Vec::new();
    for item in item.section("[component]")?.items() {
        let id = item.key;
        names::check_kebab_case(id)
            .map_err(|fault| item.error(format!("component id {id:?}: {fault}")))?;
        let section = item.section(format!("[component.{id}]"))?;
        components.push(read(id, section, reader, warnings)?);
    }
    Ok(components)
}

impl<'a> Inline<'a> {
    pub(crate) fn new(
        reader: Reader<'a>,
        components: &'a mut Vec<Component>,
        warnings: &'a mut Vec<String>,
    ) -> Self {
        Self {
            reader,
            components,
            warnings,
        }
    }

    /// The index of the component with this id.
    pub(crate) fn find(&self, id: &str) -> Option<usize> {
        self.components
            .iter()
            .position(|component| component.id == id)
    }

    /// The id of the component at `index`.
    pub(crate) fn id(&self, index: usize) -> &str {
        &self.components[index].id
    }

    /// The ids of all components, for an error.
    pub(crate) fn known(&self) -> String {
        list(
            self.components
                .iter()
                .map(|component| component.id.as_str()),
        )
    }

    /// Reads the component that is written inside the trigger `trigger`; it gets the id that Spin would give it.
    pub(crate) fn add(&mut self, item: &Item<'_>, trigger: &str) -> Result<usize, AppError> {
        let natural = format!("{trigger}-component");
        let id = if names::check_kebab_case(&natural).is_ok() && self.find(&natural).is_none() {
            natural
        } else {
            let free = (1..)
                .map(|n| format!("inline-component{n}"))
                .find(|id| self.find(id).is_none());
            free.unwrap_or(natural)
        };
        let section = item.section(format!("the component of trigger `{trigger}`"))?;
        let component = read(&id, section, &self.reader, self.warnings)?;
        self.components.push(component);
        Ok(self.components.len() - 1)
    }
}

/// Reads the component `id`. The keys that are taken from `section` by then are not its own.
pub(crate) fn read(
    id: &str,
    mut section: Section<'_>,
    reader: &Reader<'_>,
    warnings: &mut Vec<String>,
) -> Result<Component, AppError> {
    let source = section.require(
        "source",
        "source = \"target/wasm32-wasip2/release/component.wasm\"",
    )?;
    let source_line = source.line();
    let (source, remote) = match source::read(&source, reader.root)? {
        Source::Path(path) => (path, None),
        Source::Remote(file) => (PathBuf::new(), Some(file)),
    };
    let component = Component {
        id: id.to_owned(),
        description: section.string_or_empty("description")?,
        source,
        remote,
        source_line,
        key_value_stores: read_stores(&mut section)?,
        sqlite_databases: read_unsupported(&mut section, &SQLITE_DATABASES, id, warnings)?,
        ai_models: read_unsupported(&mut section, &AI_MODELS, id, warnings)?,
        allowed_outbound_hosts: hosts::read(&mut section, reader, id, warnings)?,
        variables: match reader.version {
            Version::One => read_variables(&mut section, "config", reader)?,
            Version::Two => read_variables(&mut section, "variables", reader)?,
        },
        environment: read_environment(&mut section)?,
        files: read_files(&mut section, reader, id, warnings)?,
        build: read_build(&mut section, reader)?,
    };
    if reader.version == Version::Two {
        refuse_unsupported(&mut section)?;
        // `tool` belongs to other tools; `targets` is for `spin build`; a `profile` counts only for `spin --profile`.
        section.take("tool");
        section.take("targets");
        section.take("profile");
    }
    section.finish()?;
    Ok(component)
}

/// A field that grants what Spin offers and this host does not. A component that has it may do without, so it starts.
struct Unoffered {
    key: &'static str,
    /// In a sentence, several of them.
    what: &'static str,
}

const SQLITE_DATABASES: Unoffered = Unoffered {
    key: "sqlite_databases",
    what: "SQLite databases",
};

const AI_MODELS: Unoffered = Unoffered {
    key: "ai_models",
    what: "AI models",
};

fn read_unsupported(
    section: &mut Section<'_>,
    field: &Unoffered,
    id: &str,
    warnings: &mut Vec<String>,
) -> Result<Vec<String>, AppError> {
    let Unoffered { key, what } = field;
    let items = section.strings(key)?;
    let names: Result<Vec<_>, _> = items.iter().map(Item::string).collect();
    let names: Vec<String> = names?.into_iter().map(str::to_owned).collect();
    if !names.is_empty() {
        warnings.push(format!(
            "component `{id}`: `{key}` grants {names:?}, and there are no {what} here: its calls to them fail"
        ));
    }
    Ok(names)
}

/// What Spin knows and this host does not, by name.
fn refuse_unsupported(section: &mut Section<'_>) -> Result<(), AppError> {
    if let Some(item) = section.take("dependencies")
        && !item.is_empty()
    {
        return Err(item.error(format!(
            "{}: component dependencies are not supported here; compose the component first (`wac plug`) and name the result \
             as `source`",
            item.name
        )));
    }
    if let Some(item) = section.take("dependencies_inherit_configuration") {
        // Without dependencies it has no effect.
        item.boolean()?;
    }
    for (key, present) in [
        ("config", "the table `variables` of the component"),
        ("trigger", "[[trigger.http]], beside the component"),
        ("executor", "[[trigger.http]], beside the component"),
    ] {
        if let Some(item) = section.peek(key) {
            return Err(item.error(format!(
                "{} is of manifest version 1; in version 2 it is in {present}",
                item.name
            )));
        }
    }
    Ok(())
}

fn read_stores(section: &mut Section<'_>) -> Result<Vec<String>, AppError> {
    let mut stores = Vec::new();
    for item in section.strings("key_value_stores")? {
        let label = item.string()?;
        names::check_label(label)
            .map_err(|fault| item.error(format!("key-value store {label:?}: {fault}")))?;
        if !stores.iter().any(|store| store == label) {
            stores.push(label.to_owned());
        }
    }
    Ok(stores)
}

fn read_template(item: &Item<'_>, reader: &Reader<'_>) -> Result<Template, AppError> {
    Template::parse(item.string()?, |name| reader.variables.contains_key(name))
        .map_err(|fault| item.error(format!("{}: {fault}", item.name)))
}

fn read_variables(
    section: &mut Section<'_>,
    key: &'static str,
    reader: &Reader<'_>,
) -> Result<BTreeMap<String, Template>, AppError> {
    let Some(item) = section.take(key) else {
        return Ok(BTreeMap::new());
    };
    let mut variables = BTreeMap::new();
    for item in item.section(item.name.clone())?.items() {
        names::check_variable(item.key)
            .map_err(|fault| item.error(format!("{}: {fault}", item.name)))?;
        variables.insert(item.key.to_owned(), read_template(&item, reader)?);
    }
    Ok(variables)
}

fn read_environment(section: &mut Section<'_>) -> Result<BTreeMap<String, String>, AppError> {
    let Some(item) = section.take("environment") else {
        return Ok(BTreeMap::new());
    };
    let mut environment = BTreeMap::new();
    for item in item.section(item.name.clone())?.items() {
        if item.key.is_empty() || item.key.contains(['=', '\0']) {
            return Err(item.error(format!(
                "{:?} cannot be the name of an environment variable",
                item.key
            )));
        }
        environment.insert(item.key.to_owned(), item.string()?.to_owned());
    }
    Ok(environment)
}

fn read_files(
    section: &mut Section<'_>,
    reader: &Reader<'_>,
    id: &str,
    warnings: &mut Vec<String>,
) -> Result<Files, AppError> {
    let mut mounts = Vec::new();
    if let Some(item) = section.take("files") {
        for item in item.list()? {
            mounts.push(read_mount(&item)?);
        }
    }
    for mount in &mounts {
        if mount.destination.is_none() && (mount.source == "*" || mount.source == "**/*") {
            warnings.push(format!(
                "component `{id}` gets every file of the application's folder (`files = [{0:?}]`); write \"./{1}\" if that \
                 is meant",
                mount.source, mount.source
            ));
        }
    }
    let mut exclude = Vec::new();
    for item in section.strings("exclude_files")? {
        let pattern = item.string()?;
        let pattern = glob::Pattern::new(pattern).map_err(|error| {
            item.error(format!(
                "{} ({pattern:?}) is no glob pattern: {error}",
                item.name
            ))
        })?;
        exclude.push(pattern);
    }
    Ok(Files {
        mounts,
        exclude,
        origin: section.document.origin.clone(),
        root: reader.root.to_owned(),
    })
}

fn read_mount(item: &Item<'_>) -> Result<FileMount, AppError> {
    let fault = |fault: String| item.error(format!("{}: {fault}", item.name));
    if item.is_string() {
        let source = item.string()?.to_owned();
        check_pattern(&source).map_err(fault)?;
        return Ok(FileMount {
            source,
            destination: None,
            line: item.line(),
        });
    }
    let mut section = item.section(item.name.clone())?;
    let source = section
        .require("source", "source = \"assets\"")?
        .string()?
        .to_owned();
    let destination = section
        .require("destination", "destination = \"/assets\"")?
        .string()?
        .to_owned();
    section.finish()?;
    check_placed(&source).map_err(fault)?;
    if destination.split('/').any(|part| part == "..") {
        return Err(item.error(format!(
            "{}: the destination {destination:?} may not have `..` in it",
            item.name
        )));
    }
    Ok(FileMount {
        source,
        destination: Some(destination),
        line: item.line(),
    })
}

fn read_build(section: &mut Section<'_>, reader: &Reader<'_>) -> Result<Option<Build>, AppError> {
    let Some(item) = section.take("build") else {
        return Ok(None);
    };
    let mut build = item.section(item.name.clone())?;
    let command = build.require("command", "command = \"cargo build --release\"")?;
    let commands = if command.is_list() {
        command
            .list()?
            .iter()
            .map(|command| command.string().map(str::to_owned))
            .collect::<Result<_, _>>()?
    } else {
        vec![command.string()?.to_owned()]
    };
    let mut workdir = reader.root.to_owned();
    if let Some(item) = build.take("workdir") {
        let folder = Path::new(item.string()?);
        if folder.has_root() {
            return Err(item.error(format!(
                "{} must be relative to the manifest's folder",
                item.name
            )));
        }
        workdir.push(folder);
    }
    // `watch` is for `spin watch` alone.
    build.strings("watch")?;
    build.finish()?;
    Ok(Some(Build { commands, workdir }))
}

/// Names for a sentence: `` `a`, `b` ``, or `none`.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}
