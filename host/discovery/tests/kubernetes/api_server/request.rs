//! Which object a request is about, and the verb, in the words of a Role.

use std::collections::BTreeMap;

use http::Method;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::problem::Problem;

/// What is called, as a rule of a Role names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// `get`, `list`, `watch`, `create`, `update`, `patch` or `delete`.
    pub verb: &'static str,
    /// The API group; empty for the core.
    pub group: String,
    /// The resource, in the plural, and the subresource after a slash.
    pub resource: String,
}

/// A request, read.
#[derive(Clone, Debug)]
pub struct Target {
    pub call: Call,
    pub namespace: String,
    pub name: Option<String>,
    pub query: BTreeMap<String, String>,
}

impl Target {
    /// Reads the head of a request.
    pub fn of(head: &Parts) -> Result<Self, Problem> {
        let path = head.uri.path();
        let unknown = || Problem::new(404, "NotFound", format!("no resource at {path}"));
        let mut parts = path.trim_matches('/').split('/');
        let group = match parts.next() {
            Some("api") => String::new(),
            Some("apis") => parts.next().ok_or_else(unknown)?.to_owned(),
            _ => return Err(unknown()),
        };
        let rest: Vec<&str> = parts.collect();
        let [_version, "namespaces", namespace, resource, rest @ ..] = rest.as_slice() else {
            return Err(unknown());
        };
        let (name, resource) = match rest {
            [] => (None, (*resource).to_owned()),
            [name] => (Some(*name), (*resource).to_owned()),
            [name, subresource] => (Some(*name), format!("{resource}/{subresource}")),
            _ => return Err(unknown()),
        };
        let query = query(head.uri.query().unwrap_or_default());
        let watches = query.get("watch").is_some_and(|w| w == "true" || w == "1");
        let verb = match (&head.method, name) {
            (&Method::GET, Some(_)) => "get",
            (&Method::GET, None) if watches => "watch",
            (&Method::GET, None) => "list",
            (&Method::POST, None) => "create",
            (&Method::PUT, Some(_)) => "update",
            (&Method::PATCH, Some(_)) => "patch",
            (&Method::DELETE, Some(_)) => "delete",
            _ => return Err(Problem::new(405, "MethodNotAllowed", "not allowed")),
        };
        let call = Call {
            verb,
            group,
            resource,
        };
        Ok(Self {
            call,
            namespace: (*namespace).to_owned(),
            name: name.map(str::to_owned),
            query,
        })
    }
}

fn query(text: &str) -> BTreeMap<String, String> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}
