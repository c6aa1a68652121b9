//! `[[variables_provider]]`: values of variables. Spin's older name for it is `[[config_provider]]`.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::RuntimeConfigError;
use super::document::{Document, Value};

/// The prefix of the environment variables that are read in any case.
const PREFIX: &str = "SPIN_VARIABLE";

/// Adds the values of the providers in `value`. As in Spin, an earlier provider wins over a later one.
pub(crate) fn read(
    document: Document<'_>,
    section: &str,
    value: &Value<'_>,
    values: &mut BTreeMap<String, String>,
) -> Result<(), RuntimeConfigError> {
    let Some(providers) = value.get_ref().as_array() else {
        let message = format!("`{section}` is a list: write [[{section}]], with two brackets");
        return Err(document.fault(value.span().start, message));
    };
    for provider in providers.iter() {
        let table = document.table(section, provider)?;
        let Some(kind) = table.get("type") else {
            let message = format!("[[{section}]] has no `type`; it is \"static\" or \"env\"");
            return Err(document.fault(provider.span().start, message));
        };
        match document.string("type", kind)? {
            "static" => read_static(document, section, table, values)?,
            "env" => check_env(document, section, table)?,
            known @ ("vault" | "open_bao" | "azure_key_vault") => {
                let message = format!(
                    "variables providers of type {known:?} are not supported; set variables with --variable, in the \
                     environment ({PREFIX}_<NAME>), or with type = \"static\""
                );
                return Err(document.fault(kind.span().start, message));
            }
            other => {
                let message = format!(
                    "unknown type {other:?} of variables provider; it is \"static\" or \"env\""
                );
                return Err(document.fault(kind.span().start, message));
            }
        }
    }
    Ok(())
}

fn read_static(
    document: Document<'_>,
    section: &str,
    table: &DeTable<'_>,
    values: &mut BTreeMap<String, String>,
) -> Result<(), RuntimeConfigError> {
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "type" => {}
            "values" => {
                for (name, value) in document.table("values", value)? {
                    let text = document.string(name.get_ref(), value)?;
                    values
                        .entry(name.get_ref().to_string())
                        .or_insert_with(|| text.to_owned());
                }
            }
            unknown => {
                let message = format!(
                    "unknown key `{unknown}` in [[{section}]]; type \"static\" has `values`"
                );
                return Err(document.fault(key.span().start, message));
            }
        }
    }
    Ok(())
}

/// The environment is read in any case, so this changes nothing; what would change it is refused.
fn check_env(
    document: Document<'_>,
    section: &str,
    table: &DeTable<'_>,
) -> Result<(), RuntimeConfigError> {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let fits = match (name, value.get_ref()) {
            ("type", _) => true,
            ("prefix", DeValue::String(prefix)) => prefix.trim_end_matches('_') == PREFIX,
            _ => false,
        };
        if !fits {
            let message = format!(
                "`{name}` in [[{section}]] is not supported; variables are read from {PREFIX}_<NAME> in the environment, and \
                 from nowhere else"
            );
            return Err(document.fault(key.span().start, message));
        }
    }
    Ok(())
}
