//! The values of variables: where they come from, and what they make of the components' settings.
//!
//! Values may be secrets, so nothing here shows one: not in `Debug`, not in an error.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::{AllowedHost, AllowedHosts, AppError, Application, Component};

/// The environment variables that carry values have this before the name in upper case.
const ENVIRONMENT_PREFIX: &str = "SPIN_VARIABLE_";

/// Values from the command line and the environment.
#[derive(Clone, Default)]
pub struct VariableValues {
    /// Given one by one with `--variable name=…`, so that an unknown name is a mistake.
    named: BTreeMap<String, String>,
    /// From files that may hold values for other applications too.
    files: BTreeMap<String, String>,
    /// From the environment, by the name in upper case.
    environment: BTreeMap<String, String>,
}

impl fmt::Debug for VariableValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .named
            .keys()
            .chain(self.files.keys())
            .chain(self.environment.keys());
        f.debug_set().entries(names).finish()
    }
}

impl VariableValues {
    /// Takes what `--variable` was given (`name=value`, `name=@file`, `@file.json`, `@file.toml`; of two for one name the
    /// later one counts) and the environment, of which `SPIN_VARIABLE_<NAME>` counts. The command line goes before the
    /// environment.
    ///
    /// # Errors
    ///
    /// [`AppError::Variables`] for an argument or a file that is malformed, [`AppError::Io`] for a file that cannot be read.
    pub fn new<A: AsRef<str>>(
        arguments: &[A],
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, AppError> {
        let mut values = Self::default();
        for argument in arguments {
            values.add(argument.as_ref())?;
        }
        for (name, value) in environment {
            if let Some(name) = name.strip_prefix(ENVIRONMENT_PREFIX) {
                values.environment.insert(name.to_owned(), value);
            }
        }
        Ok(values)
    }

    fn add(&mut self, argument: &str) -> Result<(), AppError> {
        if let Some(file) = argument.strip_prefix('@') {
            for (name, value) in read_file(Path::new(file))? {
                self.named.remove(&name);
                self.files.insert(name, value);
            }
            return Ok(());
        }
        // The argument may be a secret that lacks its name, so it is not repeated.
        let (name, value) = argument.split_once('=').ok_or_else(|| {
            AppError::Variables(
                "--variable takes `name=value`, `name=@file`, `@file.json` or `@file.toml`; one was given without `=` or `@`"
                    .to_owned(),
            )
        })?;
        let value = match value.strip_prefix('@') {
            Some(file) => read_text(Path::new(file))?,
            None => value.to_owned(),
        };
        self.named.insert(name.to_owned(), value);
        Ok(())
    }

    /// The values of the variables of every component of `application`, and the hosts that each may call.
    ///
    /// # Errors
    ///
    /// [`AppError::Variables`] naming the required variables without a value and how to set them, a `--variable` that the
    /// application does not declare, or an entry of `allowed_outbound_hosts` that is malformed once its variables are in.
    pub fn resolve(&self, application: &Application) -> Result<ResolvedVariables, AppError> {
        if let Some(name) = self
            .named
            .keys()
            .find(|name| !application.variables.contains_key(*name))
        {
            let declared: Vec<_> = application.variables.keys().map(String::as_str).collect();
            return Err(AppError::Variables(format!(
                "--variable {name}=…: {} declares no variable `{name}`; it declares {}",
                application.origin,
                if declared.is_empty() {
                    "none".to_owned()
                } else {
                    declared.join(", ")
                }
            )));
        }
        let mut known = BTreeMap::new();
        let mut missing = Vec::new();
        for (name, variable) in &application.variables {
            match self.get(name).or(variable.default.as_deref()) {
                Some(value) => {
                    known.insert(name.clone(), value.to_owned());
                }
                None => missing.push(name.as_str()),
            }
        }
        if !missing.is_empty() {
            let each: Vec<_> = missing
                .iter()
                .map(|name| {
                    format!(
                        "variable `{name}` is required and has no value; set it with `--variable {name}=…` or \
                         {ENVIRONMENT_PREFIX}{}=…",
                        name.to_ascii_uppercase()
                    )
                })
                .collect();
            return Err(AppError::Variables(each.join("\n")));
        }
        let components = application
            .components
            .iter()
            .map(|component| {
                Ok(Resolved {
                    variables: component
                        .variables
                        .iter()
                        .map(|(name, template)| (name.clone(), template.fill(&known)))
                        .collect(),
                    allowed_hosts: resolve_hosts(component, &known)?,
                })
            })
            .collect::<Result<_, AppError>>()?;
        Ok(ResolvedVariables { components })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.named
            .get(name)
            .or_else(|| self.files.get(name))
            .or_else(|| self.environment.get(&name.to_ascii_uppercase()))
            .map(String::as_str)
    }
}

fn read_text(path: &Path) -> Result<String, AppError> {
    std::fs::read_to_string(path).map_err(|error| AppError::io("read", path, error))
}

/// A file of names and string values, in TOML or JSON by its extension.
fn read_file(path: &Path) -> Result<BTreeMap<String, String>, AppError> {
    let malformed = |what: String| AppError::Variables(format!("{}: {what}", path.display()));
    // The parsers' own words may quote a value, so only the place of the fault is passed on.
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => serde_json::from_str(&read_text(path)?).map_err(|error| {
            malformed(format!(
                "line {}: this must be one JSON object whose values are all strings",
                error.line()
            ))
        }),
        Some("toml") => {
            let text = read_text(path)?;
            toml::from_str(&text).map_err(|error: toml::de::Error| {
                let end = error.span().map_or(0, |span| span.start);
                let line = 1 + text.bytes().take(end).filter(|byte| *byte == b'\n').count();
                malformed(format!(
                    "line {line}: this must be TOML with one `name = \"value\"` a line"
                ))
            })
        }
        _ => Err(malformed(
            "a file of variables must end in .json or .toml".to_owned(),
        )),
    }
}

/// What the components' variables and allowed hosts are, once the values are known. `Debug` shows no value.
#[derive(Clone)]
pub struct ResolvedVariables {
    components: Vec<Resolved>,
}

#[derive(Clone)]
struct Resolved {
    variables: BTreeMap<String, String>,
    allowed_hosts: AllowedHosts,
}

impl fmt::Debug for ResolvedVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .components
            .iter()
            .map(|component| component.variables.keys().collect::<Vec<_>>());
        f.debug_list().entries(names).finish()
    }
}

impl ResolvedVariables {
    /// The variables of the component at `index` in [`Application::components`].
    ///
    /// # Panics
    ///
    /// When there is no such component.
    pub fn variables(&self, index: usize) -> &BTreeMap<String, String> {
        &self.components[index].variables
    }

    /// What the component at `index` in [`Application::components`] may reach.
    ///
    /// # Panics
    ///
    /// When there is no such component.
    pub fn allowed_hosts(&self, index: usize) -> &AllowedHosts {
        &self.components[index].allowed_hosts
    }
}

fn resolve_hosts(
    component: &Component,
    values: &BTreeMap<String, String>,
) -> Result<AllowedHosts, AppError> {
    let mut entries = Vec::new();
    for template in &component.allowed_outbound_hosts {
        let filled = template.fill(values);
        // As in Spin: what a variable names may be left out.
        if filled.trim().is_empty() && !template.is_literal() {
            continue;
        }
        // The fault would quote values, so the error says no more than which entry and which variables.
        let entry = AllowedHost::parse(&filled).map_err(|_| {
            let variables = template.variables().map(|name| match values.get(name) {
                Some(value) if value.is_empty() => format!("`{name}`, which is empty"),
                _ => format!("`{name}`"),
            });
            let variables: Vec<_> = variables.collect();
            AppError::Variables(format!(
                "component `{}`: the entry {:?} of `allowed_outbound_hosts` is no `scheme://host:port` with the given value \
                 of {}",
                component.id,
                template.text(),
                variables.join(", ")
            ))
        })?;
        entries.push(entry);
    }
    Ok(AllowedHosts::new(entries))
}

#[cfg(test)]
mod tests;
