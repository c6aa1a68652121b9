//! `[variables]`: what the application declares.

use std::collections::BTreeMap;

use super::names;
use super::reader::Item;
use crate::{AppError, Variable};

pub(crate) fn read(item: &Item<'_>) -> Result<BTreeMap<String, Variable>, AppError> {
    let mut variables = BTreeMap::new();
    for item in item.section("[variables]")?.items() {
        let name = item.key;
        names::check_variable(name)
            .map_err(|fault| item.error(format!("variable {name:?}: {fault}")))?;
        if item.is_string() {
            return Err(item.error(format!(
                "variable `{name}` must be a table; write `{name} = {{ default = … }}`"
            )));
        }
        let mut section = item.section(format!("variable `{name}`"))?;
        let description = match section.take("description") {
            Some(description) => Some(description.string()?.to_owned()),
            None => None,
        };
        let required = section
            .take("required")
            .map_or(Ok(false), |item| item.boolean())?;
        let default = match section.take("default") {
            // Not `Item::string`: its complaint would show the value, which may be a secret.
            Some(default) if !default.is_string() => {
                return Err(default.error(format!(
                    "the `default` of variable `{name}` must be a string; put it in quotes"
                )));
            }
            Some(default) => Some(default.string()?.to_owned()),
            None => None,
        };
        let secret = section
            .take("secret")
            .map_or(Ok(false), |item| item.boolean())?;
        section.finish()?;
        match (required, &default) {
            (true, Some(_)) => Err(item.error(format!(
                "variable `{name}` is `required` and has a `default`; keep one of the two"
            ))),
            (false, None) => Err(item.error(format!(
                "variable `{name}` needs `required = true` or a `default`"
            ))),
            _ => Ok(()),
        }?;
        variables.insert(
            name.to_owned(),
            Variable {
                description,
                default,
                secret,
            },
        );
    }
    Ok(variables)
}
