//! One route: its text, its segments, its place among the others, and what answers it.
//!
//! A route is matched segment by segment: text, `:name` for any one segment, and `...` at the end for everything that is
//! left, nothing included. Slashes in excess, at the end or doubled, make no difference, as in Spin.

use std::cmp::Ordering;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use spindrift_memory::lasting_value;

/// What answers a route.
#[derive(Debug, Clone)]
pub enum Target {
    /// The component at this index in [`super::Application::components`].
    Component(usize),
    /// A response that needs no component.
    Static(StaticResponse),
}

/// A response that the manifest itself holds (`static_response`).
#[derive(Debug, Clone)]
pub struct StaticResponse {
    /// The status, from 200 to 999; 200 unless the manifest says otherwise.
    pub status: StatusCode,
    /// The headers, as the manifest has them; never `content-length`, `transfer-encoding` or `connection`.
    pub headers: HeaderMap,
    /// The body; empty when there is none.
    pub body: Bytes,
}

/// A route of the application.
#[derive(Debug, Clone)]
pub struct Route {
    /// What `spin up` prints in front of the route: the component's id, or the trigger's for a static response.
    pub id: String,
    /// What answers.
    pub target: Target,
    pattern: Pattern,
    headers: RouteHeaders,
}

/// What the `spin-*` headers of every request on one route say, ready to be cloned into a request.
#[derive(Debug, Clone)]
pub struct RouteHeaders {
    /// `spin-base-path`: always `/`, since Spin dropped the base of the HTTP trigger.
    pub base_path: HeaderValue,
    /// `spin-matched-route`: [`Route::matched`].
    pub matched_route: HeaderValue,
    /// `spin-raw-component-route`: [`Route::raw`].
    pub raw_component_route: HeaderValue,
    /// `spin-component-route`: [`Route::component_route`].
    pub component_route: HeaderValue,
}

impl Route {
    pub(crate) fn new(id: String, target: Target, pattern: Pattern) -> Self {
        // A pattern holds no byte that a header may not.
        let value = |text: &str| lasting_value(text.to_owned());
        let headers = RouteHeaders {
            base_path: HeaderValue::from_static("/"),
            matched_route: value(&pattern.matched),
            raw_component_route: value(&pattern.raw),
            component_route: value(pattern.component_route()),
        };
        Self {
            id,
            target,
            pattern,
            headers,
        }
    }

    /// The route as the manifest has it.
    pub fn raw(&self) -> &str {
        &self.pattern.raw
    }

    /// [`Route::raw`] without a trailing `/...`.
    pub fn component_route(&self) -> &str {
        self.pattern.component_route()
    }

    /// [`Route::raw`] with a slash in front and none at the end; empty for the route `/`.
    pub fn matched(&self) -> &str {
        &self.pattern.matched
    }

    /// Whether the route ends in `/...`.
    pub fn is_wildcard(&self) -> bool {
        self.pattern.is_wildcard
    }

    /// Whether a segment of the route has a name, and so may be anything.
    pub fn has_names(&self) -> bool {
        self.pattern
            .segments
            .iter()
            .any(|one| one.header().is_some())
    }

    /// A path on this route: each named segment is its name, and nothing takes the place of a trailing wildcard.
    pub fn example(&self) -> String {
        let segments = self.pattern.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => text.as_str(),
            Segment::Named { name, .. } => name,
        });
        format!("/{}", segments.collect::<Vec<_>>().join("/"))
    }

    /// The parts of the `spin-*` headers that are the same for all requests on this route.
    pub fn headers(&self) -> &RouteHeaders {
        &self.headers
    }

    pub(crate) fn pattern(&self) -> &Pattern {
        &self.pattern
    }
}

/// The route as `spin up` prints it after the base address: `/get/:key`, `/docs (wildcard)`, nothing for `/`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let matched = &self.pattern.matched;
        match matched
            .strip_suffix("/...")
            .or_else(|| matched.strip_suffix("/*"))
        {
            Some(prefix) => write!(f, "{prefix} (wildcard)"),
            None => f.write_str(matched),
        }
    }
}

/// What a route matches.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    raw: String,
    matched: String,
    segments: Vec<Segment>,
    is_wildcard: bool,
}

/// One segment of a route; the trailing wildcard is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String),
    Named { name: String, header: HeaderName },
}

impl Pattern {
    /// Reads a route.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with it.
    pub(crate) fn parse(raw: &str) -> Result<Self, String> {
        if let Some(found) = raw.chars().find(|c| c.is_control() || " ?#".contains(*c)) {
            return Err(format!(
                "{found:?} never occurs in the path of a request; a route is a path alone, percent-encoded where necessary"
            ));
        }
        if !raw.is_ascii() {
            return Err(
                "write letters outside ASCII percent-encoded, as requests carry them".to_owned(),
            );
        }
        let mut parts: Vec<&str> = raw.split('/').filter(|part| !part.is_empty()).collect();
        let is_wildcard = parts
            .pop_if(|last| *last == "..." || *last == "*")
            .is_some();
        let mut segments: Vec<Segment> = Vec::with_capacity(parts.len());
        for part in parts {
            let segment = Segment::parse(part)?;
            if segment.header().is_some()
                && segments
                    .iter()
                    .any(|other| other.header() == segment.header())
            {
                return Err(format!(
                    "the name of `{part}` occurs twice; name the segments differently"
                ));
            }
            segments.push(segment);
        }
        let trimmed = raw.strip_suffix('/').unwrap_or(raw);
        let slash = if raw.starts_with('/') || trimmed.is_empty() {
            ""
        } else {
            "/"
        };
        Ok(Self {
            raw: raw.to_owned(),
            matched: format!("{slash}{trimmed}"),
            segments,
            is_wildcard,
        })
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    fn component_route(&self) -> &str {
        self.raw.strip_suffix("/...").unwrap_or(&self.raw)
    }

    /// Which of two routes is tried first: at the first segment where they differ in kind, the end of a route goes before
    /// text, text before `:name`, and `:name` before a wildcard.
    pub(crate) fn precedence(&self, other: &Self) -> Ordering {
        self.ranks().cmp(other.ranks())
    }

    fn ranks(&self) -> impl Iterator<Item = u8> + '_ {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(_) => 1,
            Segment::Named { .. } => 2,
        });
        segments.chain([if self.is_wildcard { 3 } else { 0 }])
    }
}

impl Segment {
    fn parse(part: &str) -> Result<Self, String> {
        if part == "..." || part == "*" {
            return Err(format!("`{part}` is allowed only at the end"));
        }
        if part.ends_with("...") {
            return Err(format!(
                "`...` must be a segment of its own: write `{}/...`",
                part.trim_end_matches("...")
            ));
        }
        if part.starts_with('*') {
            return Err(format!("`{part}`: a wildcard has no name; write `...`"));
        }
        if let Some(name) = part.strip_prefix(':') {
            if name.is_empty() {
                return Err("`:` needs a name after it".to_owned());
            }
            let header = format!(
                "spin-path-match-{}",
                name.to_ascii_lowercase().replace('_', "-")
            );
            return match HeaderName::try_from(header) {
                Ok(header) if !name.contains('.') => Ok(Self::Named {
                    name: name.to_owned(),
                    header,
                }),
                _ => Err(format!(
                    "`{part}`: the name may have letters, digits, `-` and `_`, and takes a whole segment"
                )),
            };
        }
        if part.contains(".:") {
            return Err(format!("`{part}`: a `:name` takes a whole segment"));
        }
        Ok(Self::Literal(part.to_owned()))
    }

    fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Literal(_) => None,
            Self::Named { header, .. } => Some(header),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_knows_the_texts_that_spin_shows() {
        // raw, matched, component route, printed
        for (raw, matched, component_route, printed) in [
            ("/", "", "/", ""),
            ("/foo", "/foo", "/foo", "/foo"),
            ("/foo/", "/foo", "/foo/", "/foo"),
            ("foo", "/foo", "foo", "/foo"),
            ("/...", "/...", "", " (wildcard)"),
            ("...", "/...", "...", " (wildcard)"),
            ("/foo/...", "/foo/...", "/foo", "/foo (wildcard)"),
            ("/foo/*", "/foo/*", "/foo/*", "/foo (wildcard)"),
            (
                "/a/:b_c/...",
                "/a/:b_c/...",
                "/a/:b_c",
                "/a/:b_c (wildcard)",
            ),
        ] {
            let pattern = Pattern::parse(raw).expect(raw);
            let route = Route::new("id".to_owned(), Target::Component(0), pattern);
            assert_eq!(route.raw(), raw);
            assert_eq!(route.matched(), matched, "{raw}");
            assert_eq!(route.component_route(), component_route, "{raw}");
            assert_eq!(route.to_string(), printed, "{raw}");
            assert_eq!(route.headers().matched_route, matched, "{raw}");
            assert_eq!(route.headers().raw_component_route, raw);
            assert_eq!(route.headers().component_route, component_route, "{raw}");
            assert_eq!(route.headers().base_path, "/");
        }
    }

    #[test]
    fn faults_are_named() {
        for (raw, fault) in [
            (
                "/a b",
                "' ' never occurs in the path of a request; a route is a path alone, percent-encoded where necessary",
            ),
            (
                "/a?x=1",
                "'?' never occurs in the path of a request; a route is a path alone, percent-encoded where necessary",
            ),
            (
                "/ä",
                "write letters outside ASCII percent-encoded, as requests carry them",
            ),
            ("/a/.../b", "`...` is allowed only at the end"),
            ("/*/b", "`*` is allowed only at the end"),
            ("/a...", "`...` must be a segment of its own: write `a/...`"),
            ("/*rest", "`*rest`: a wildcard has no name; write `...`"),
            ("/:", "`:` needs a name after it"),
            (
                "/:a.json",
                "`:a.json`: the name may have letters, digits, `-` and `_`, and takes a whole segment",
            ),
            ("/a.:b", "`a.:b`: a `:name` takes a whole segment"),
            (
                "/:a/:a",
                "the name of `:a` occurs twice; name the segments differently",
            ),
            (
                "/:a_b/:a-B",
                "the name of `:a-B` occurs twice; name the segments differently",
            ),
        ] {
            assert_eq!(
                Pattern::parse(raw).map(drop),
                Err(fault.to_owned()),
                "{raw}"
            );
        }
    }
}
