//! The names that a manifest may use: `kebab-case` for components, `snake_case` for variables, either for stores.

/// Checks a component id.
pub(crate) fn check_kebab_case(name: &str) -> Result<(), String> {
    check(name, '-')
}

/// Checks the label of a store: kebab case or snake case.
pub(crate) fn check_label(name: &str) -> Result<(), String> {
    check(name, '-').or_else(|fault| check(name, '_').map_err(|_| fault))
}

/// Checks the name of a variable: snake case, in lower case.
pub(crate) fn check_variable(name: &str) -> Result<(), String> {
    check(name, '_')?;
    match name.chars().find(|c| c.is_ascii_uppercase() || *c == ':') {
        Some(found) => Err(format!(
            "{found:?} is not allowed in the name of a variable; use a-z, 0-9 and single `_`"
        )),
        None => Ok(()),
    }
}

/// Words between single separators, as in the WebAssembly component model: letters and digits (and `:` inside), starting
/// with a letter (words after the first may start with a digit), in one case each.
fn check(name: &str, separator: char) -> Result<(), String> {
    let wrong = if separator == '-' { '_' } else { '-' };
    if name.contains(wrong) {
        return Err(format!(
            "words are separated by `{separator}` here, not by `{wrong}`"
        ));
    }
    for (index, word) in name.split(separator).enumerate() {
        let Some(first) = word.chars().next() else {
            return Err(format!(
                "there must be a word before, between and after `{separator}`"
            ));
        };
        if !(first.is_ascii_alphabetic() || index > 0 && first.is_ascii_digit()) {
            return Err(format!("a word may not start with {first:?}"));
        }
        let upper = first.is_ascii_uppercase();
        for c in word.chars() {
            if !(c.is_ascii_alphanumeric() || c == ':') {
                return Err(format!("{c:?} is not allowed in a name"));
            }
            if c.is_ascii_alphabetic() && c.is_ascii_uppercase() != upper {
                return Err(format!("`{word}` mixes upper and lower case"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_pass() {
        for name in ["a", "put", "my-store", "UPPER-lower", "a1-2b", "http:x"] {
            assert_eq!(check_kebab_case(name), Ok(()), "{name}");
        }
        for name in ["a", "default", "my-store", "my_store"] {
            assert_eq!(check_label(name), Ok(()), "{name}");
        }
        for name in ["a", "a1", "api_host", "a_1"] {
            assert_eq!(check_variable(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn bad_names_do_not() {
        for name in ["", "-a", "a-", "a--b", "1a", "a_b", "aB", "a.b", "ä"] {
            assert!(check_kebab_case(name).is_err(), "{name}");
        }
        for name in ["", "a_b-c", "b@d", "camelCase"] {
            assert!(check_label(name).is_err(), "{name}");
        }
        for name in ["", "A", "a-b", "a__b", "_a", "a_", "1a", "a:b"] {
            assert!(check_variable(name).is_err(), "{name}");
        }
    }
}
