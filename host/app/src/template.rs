//! Templates: text with `{{ variable }}` in it.
//!
//! A template is checked when the manifest is read, so that putting the values in cannot fail afterwards.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A template whose variables are all declared by the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

impl Template {
    /// Reads a template. `is_declared` says whether the application declares a variable.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong: a `{{` that nothing closes, an empty `{{ }}`, a variable that is not declared.
    pub(crate) fn parse(text: &str, is_declared: impl Fn(&str) -> bool) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let Some((name, after)) = after.split_once("}}") else {
                return Err("`{{` has no `}}` after it".to_owned());
            };
            let name = name.trim();
            if name.is_empty() {
                return Err("`{{ }}` names no variable".to_owned());
            }
            if !is_declared(name) {
                return Err(format!(
                    "`{{{{ {name} }}}}` names a variable that [variables] does not declare"
                ));
            }
            parts.push(Part::Variable(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// A template that is this text and names no variable.
    pub(crate) fn literal(text: &str) -> Self {
        Self {
            parts: vec![Part::Text(text.to_owned())],
        }
    }

    /// The names of the variables in it, in order, as often as they occur.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Variable(name) => Some(name.as_str()),
        })
    }

    /// Whether it names no variable, so that its text is its value.
    pub(crate) fn is_literal(&self) -> bool {
        self.variables().next().is_none()
    }

    /// The template as text again, with one space inside the braces.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Variable(name) => {
                    // Writing to a `String` cannot fail.
                    let _ = write!(text, "{{{{ {name} }}}}");
                }
            }
        }
        text
    }

    /// The text with the values put in. A variable without a value counts as empty; a checked template has none.
    pub(crate) fn fill(&self, values: &BTreeMap<String, String>) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Variable(name) => values.get(name).map_or("", String::as_str),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Template, String> {
        Template::parse(text, |name| ["a", "b_c"].contains(&name))
    }

    #[test]
    fn values_are_put_in() {
        let values = BTreeMap::from([
            ("a".to_owned(), "1".to_owned()),
            ("b_c".to_owned(), "{{a}}".to_owned()),
        ]);
        for (text, filled) in [
            ("", ""),
            ("plain }} text {", "plain }} text {"),
            ("{{a}}", "1"),
            ("x{{ a }}y{{  b_c  }}z", "x1y{{a}}z"),
            ("{{a}}{{a}}", "11"),
        ] {
            let template = parse(text).expect(text);
            assert_eq!(template.fill(&values), filled, "{text}");
            assert_eq!(parse(&template.text()), Ok(template), "{text}");
        }
    }

    #[test]
    fn faults_are_named() {
        for (text, fault) in [
            ("x {{ a", "`{{` has no `}}` after it"),
            ("{{ a }} {{", "`{{` has no `}}` after it"),
            ("{{  }}", "`{{ }}` names no variable"),
            (
                "{{ other }}",
                "`{{ other }}` names a variable that [variables] does not declare",
            ),
        ] {
            assert_eq!(parse(text), Err(fault.to_owned()), "{text}");
        }
    }
}
