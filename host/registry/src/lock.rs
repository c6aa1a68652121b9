//! From an application to a locked application, as `spin registry push` makes one, and its layers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use spindrift_app::{AppError, Application, Component, Digest, StagedFile, Template, componentize};

use super::locked::{
    LockedApplication, LockedComponent, LockedContent, LockedFile, LockedSource, LockedTrigger,
    LockedVariable,
};
use super::{RegistryError, archive, limits, media_type};

/// A layer to push.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) media_type: &'static str,
    pub(crate) digest: Digest,
    pub(crate) bytes: Bytes,
}

impl Layer {
    pub(crate) fn new(media_type: &'static str, bytes: Bytes) -> Self {
        Self {
            media_type,
            digest: Digest::of(&bytes),
            bytes,
        }
    }
}

/// An application ready to be pushed.
#[derive(Debug)]
pub(crate) struct Locked {
    pub(crate) application: LockedApplication,
    /// Its contents, each once. The locked application itself is not among them.
    pub(crate) layers: Vec<Layer>,
}

/// Locks an application. Its files have a layer each, unless there would be more than `max_layers` then: those of a
/// component share an archive.
///
/// # Errors
///
/// A file cannot be read, is too large, or is no WebAssembly where it should be, or a core module of which no component can be
/// made; or there are too many.
pub(crate) fn lock(application: &Application, max_layers: usize) -> Result<Locked, RegistryError> {
    let mut contents = Vec::new();
    let mut bytes = 0;
    let mut files = 0;
    for component in &application.components {
        let content = read(application, component)?;
        bytes += content.wasm.len();
        bytes += content
            .files
            .iter()
            .map(|(_, file)| file.len())
            .sum::<usize>();
        files += content.files.len();
        if bytes as u64 > limits::APPLICATION || files > limits::FILES {
            return Err(RegistryError::Push(format!(
                "{} has {files} files and {bytes} bytes up to its component `{}`, and an application may have {} files and \
                 {} bytes",
                application.origin,
                component.id,
                limits::FILES,
                limits::APPLICATION
            )));
        }
        contents.push(content);
    }
    let pairs = || application.components.iter().zip(&contents);
    let mut layers = Layers::default();
    let mut components: Vec<_> = pairs()
        .map(|(component, content)| with_file_layers(component, content, &mut layers))
        .collect();
    if layers.0.len() > max_layers {
        layers = Layers::default();
        components = pairs()
            .map(|(component, content)| with_archive(component, content, &mut layers))
            .collect::<Result<_, _>>()?;
    }
    if layers.0.len() > max_layers {
        return Err(RegistryError::Push(format!(
            "{} has {} components, and a registry takes {max_layers} layers, of which each component needs one or two",
            application.origin,
            application.components.len()
        )));
    }
    Ok(Locked {
        application: LockedApplication {
            metadata: details(application),
            variables: variables(application),
            triggers: triggers(application),
            components,
            ..LockedApplication::default()
        },
        layers: layers.0.into_values().collect(),
    })
}

/// Layers by digest: the same content is pushed once, whatever it is the content of.
#[derive(Default)]
struct Layers(BTreeMap<Digest, Layer>);

impl Layers {
    fn add(&mut self, layer: Layer) {
        self.0.insert(layer.digest.clone(), layer);
    }
}

/// What a component consists of.
struct Content {
    wasm: Bytes,
    /// Paths relative to the component's root folder.
    files: Vec<(String, Bytes)>,
}

/// As in Spin, what is pushed of a core module is the component that is made of it, which every host can run.
fn read(application: &Application, component: &Component) -> Result<Content, RegistryError> {
    let wasm = read_file(&component.source)?;
    if !wasm.starts_with(b"\0asm") {
        return Err(RegistryError::Push(format!(
            "component `{}`: {} is no WebAssembly; build it first, with `--build`, or correct its `source`",
            component.id,
            component.source.display()
        )));
    }
    let wasm = match componentize(&wasm) {
        Ok(Cow::Borrowed(_)) => wasm,
        Ok(Cow::Owned(component)) => component.into(),
        Err(reason) => {
            let (id, path) = (&component.id, component.source.display());
            let message = format!("component `{id}`: {path} {reason}");
            return Err(application
                .origin
                .error(component.source_line, message)
                .into());
        }
    };
    let files = component.files.resolve()?;
    let files = files
        .iter()
        .map(|file| Ok((relative_path(file)?, read_file(&file.host)?)));
    Ok(Content {
        wasm,
        files: files.collect::<Result<_, RegistryError>>()?,
    })
}

fn relative_path(file: &StagedFile) -> Result<String, RegistryError> {
    let path = file.guest.strip_prefix("/").unwrap_or(&file.guest);
    match path.to_str() {
        Some(path) => Ok(path.to_owned()),
        None => Err(RegistryError::Push(format!(
            "{}: its path is not UTF-8, so a registry cannot have it",
            file.host.display()
        ))),
    }
}

fn read_file(path: &Path) -> Result<Bytes, RegistryError> {
    let failed = |error| AppError::io("read", path, error);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(limits::LAYER + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limits::LAYER {
        return Err(RegistryError::Push(format!(
            "{} has more than {} bytes, which is the most that is pushed in one piece",
            path.display(),
            limits::LAYER
        )));
    }
    Ok(bytes.into())
}

fn with_file_layers(
    component: &Component,
    content: &Content,
    layers: &mut Layers,
) -> LockedComponent {
    let files = content.files.iter().map(|(path, bytes)| {
        let layer = Layer::new(media_type::DATA, bytes.clone());
        let content = LockedContent::of(&layer.digest, bytes, limits::INLINE);
        if content.inline.is_none() {
            layers.add(layer);
        }
        LockedFile {
            content,
            path: path.clone(),
        }
    });
    let files = files.collect();
    locked(component, content, files, layers)
}

fn with_archive(
    component: &Component,
    content: &Content,
    layers: &mut Layers,
) -> Result<LockedComponent, RegistryError> {
    if !content.files.is_empty() {
        let archive = archive::pack(&content.files)
            .map_err(|error| AppError::io("archive the files of", &component.source, error))?;
        layers.add(Layer::new(media_type::ARCHIVE, archive.into()));
    }
    let files = content.files.iter().map(|(path, bytes)| LockedFile {
        content: LockedContent::of(&Digest::of(bytes), bytes, limits::INLINE),
        path: path.clone(),
    });
    let files = files.collect();
    Ok(locked(component, content, files, layers))
}

fn locked(
    component: &Component,
    content: &Content,
    files: Vec<LockedFile>,
    layers: &mut Layers,
) -> LockedComponent {
    let wasm = Layer::new(media_type::WASM, content.wasm.clone());
    let source = LockedSource {
        content_type: "application/wasm".to_owned(),
        content: LockedContent::of(&wasm.digest, &wasm.bytes, limits::INLINE),
    };
    layers.add(wasm);
    let hosts = component.allowed_outbound_hosts.iter().map(Template::text);
    let hosts: Vec<_> = hosts.collect();
    LockedComponent {
        id: component.id.clone(),
        metadata: fields([
            ("description", json!(component.description)),
            ("allowed_outbound_hosts", json!(hosts)),
            ("key_value_stores", json!(component.key_value_stores)),
            ("databases", json!(component.sqlite_databases)),
            ("ai_models", json!(component.ai_models)),
        ]),
        source,
        env: component.environment.clone(),
        files,
        config: component
            .variables
            .iter()
            .map(|(name, template)| (name.clone(), template.text()))
            .collect(),
        dependencies: Map::new(),
        trigger_dependencies: Map::new(),
        host_requirements: Map::new(),
    }
}

fn details(application: &Application) -> Map<String, Value> {
    let mut details = fields([
        ("name", json!(application.name)),
        ("version", json!(application.version)),
        ("description", json!(application.description)),
        ("authors", json!(application.authors)),
    ]);
    // Settings that all triggers share, of which the HTTP trigger has none; Spin says it in this way, too.
    details.insert("trigger".into(), json!({ "type": "http" }));
    details
}

fn variables(application: &Application) -> BTreeMap<String, LockedVariable> {
    let variables = application.variables.iter();
    let variables = variables.map(|(name, variable)| {
        let variable = LockedVariable {
            description: variable.description.clone(),
            default: variable.default.clone(),
            secret: variable.secret,
        };
        (name.clone(), variable)
    });
    variables.collect()
}

fn triggers(application: &Application) -> Vec<LockedTrigger> {
    let triggers = application.triggers.iter().map(|trigger| {
        let mut config = trigger.config.clone();
        if let Some(component) = &trigger.component {
            config.insert("component".into(), json!(component));
        }
        LockedTrigger {
            id: trigger.id.clone(),
            trigger_type: "http".to_owned(),
            trigger_config: config.into(),
            trigger_dependencies: Map::new(),
        }
    });
    triggers.collect()
}

/// Those that are not empty, as Spin has it.
fn fields<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    let is_empty = |value: &Value| match value {
        Value::String(text) => text.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        _ => false,
    };
    let fields = fields.into_iter().filter(|(_, value)| !is_empty(value));
    fields.map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests;
