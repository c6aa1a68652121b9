//! Label selectors: `a=b,c!=d,e in (f,g),!h,i`.

use serde_json::Value;

/// Whether an object has the labels that a selector asks for; an empty one asks for none.
pub fn matches(object: &Value, selector: &str) -> bool {
    let labels = &object["metadata"]["labels"];
    requirements(selector).iter().all(|requirement| {
        let requirement = requirement.trim();
        if let Some((key, values)) = requirement.split_once(" notin ") {
            return !among(labels[key.trim()].as_str(), values);
        }
        if let Some((key, values)) = requirement.split_once(" in ") {
            return among(labels[key.trim()].as_str(), values);
        }
        if let Some((key, value)) = requirement.split_once("!=") {
            return labels[key] != value;
        }
        if let Some((key, value)) = requirement.split_once('=') {
            return labels[key] == value.trim_start_matches('=');
        }
        match requirement.strip_prefix('!') {
            Some(key) => labels[key].is_null(),
            None => !labels[requirement].is_null(),
        }
    })
}

fn among(label: Option<&str>, values: &str) -> bool {
    let values = values.trim().trim_matches(['(', ')']);
    label.is_some_and(|label| values.split(',').any(|value| value.trim() == label))
}

/// The parts between commas that are in no brackets.
fn requirements(selector: &str) -> Vec<&str> {
    let mut depth = 0;
    let parts = selector.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.filter(|part| !part.trim().is_empty()).collect()
}
