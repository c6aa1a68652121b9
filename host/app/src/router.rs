//! [`Router`]: a path in, the route that takes it out.
//!
//! The routes are kept in a tree of their segments. At each segment the text itself is tried before `:name`, and a wildcard
//! is the last resort, so the first route found is the one that precedence asks for. Every node of the tree belongs to one
//! depth, so a look-up visits each at most once; it allocates nothing.

use http::HeaderName;

use super::route::{Pattern, Segment};
use super::{Route, Target};

/// Paths under these prefixes are answered by the host, whatever the routes say.
pub const RESERVED: [&str; 2] = ["/.well-known/spin/", "/.well-known/spindrift/"];

/// The routes of an application that can be called from outside.
#[derive(Debug, Clone)]
pub struct Router {
    /// In the order in which they are tried.
    routes: Vec<Route>,
    /// The tree; the root is the first node.
    nodes: Vec<Node>,
}

/// What can follow after some segments. Numbers are indices into `nodes` and `routes`.
#[derive(Debug, Clone, Default)]
struct Node {
    /// Sorted by text.
    literals: Vec<(Box<str>, usize)>,
    named: Option<usize>,
    /// The route that ends here.
    end: Option<usize>,
    /// The route that takes whatever is left here.
    wildcard: Option<usize>,
}

impl Default for Router {
    fn default() -> Self {
        Self {
            routes: Vec::new(),
            nodes: vec![Node::default()],
        }
    }
}

impl Router {
    /// Makes a router of routes in the manifest's order. A route that can never be taken gets a sentence in `warnings`.
    ///
    /// Two routes of the same text: the later one counts. Two that differ in text and match the same paths (`/a` and
    /// `/a/`, `/:x` and `/:y`): the first one counts. Both as in Spin.
    pub(crate) fn new(routes: Vec<Route>, warnings: &mut Vec<String>) -> Self {
        let mut distinct: Vec<Route> = Vec::new();
        for route in routes {
            match distinct.iter_mut().find(|other| other.raw() == route.raw()) {
                Some(earlier) => {
                    warnings.push(unreachable(earlier, &route));
                    *earlier = route;
                }
                None => distinct.push(route),
            }
        }
        distinct.sort_by(|a, b| a.pattern().precedence(b.pattern()));

        let mut router = Self::default();
        for route in distinct {
            let reserved = RESERVED.iter();
            for prefix in reserved.filter(|prefix| route.matched().starts_with(**prefix)) {
                warnings.push(format!(
                    "route {:?} of `{}` is never used: the host itself answers everything under {prefix}",
                    route.raw(),
                    route.id
                ));
            }
            router.insert(route, warnings);
        }
        router
    }

    fn insert(&mut self, route: Route, warnings: &mut Vec<String>) {
        let mut at = 0;
        for segment in route.pattern().segments() {
            let free = self.nodes.len();
            let node = &mut self.nodes[at];
            at = match segment {
                Segment::Literal(text) => match node.position(text) {
                    Ok(found) => node.literals[found].1,
                    Err(place) => {
                        node.literals.insert(place, (text.as_str().into(), free));
                        free
                    }
                },
                Segment::Named { .. } => *node.named.get_or_insert(free),
            };
            if at == free {
                self.nodes.push(Node::default());
            }
        }
        let node = &mut self.nodes[at];
        let slot = if route.is_wildcard() {
            &mut node.wildcard
        } else {
            &mut node.end
        };
        match *slot {
            Some(first) => warnings.push(unreachable(&route, &self.routes[first])),
            None => {
                *slot = Some(self.routes.len());
                self.routes.push(route);
            }
        }
    }

    /// A router that has the component at `index` take every path, as if `/...` were its route: for requests that name the
    /// component itself. `id` is the component's.
    pub fn to_component(index: usize, id: &str) -> Self {
        let mut router = Self::default();
        if let Ok(everything) = Pattern::parse("/...") {
            let route = Route::new(id.to_owned(), Target::Component(index), everything);
            router.insert(route, &mut Vec::new());
        }
        router
    }

    /// The route that takes `path`: the request's path as it was sent, still percent-encoded, without its query. A path
    /// that does not start with a slash (`OPTIONS *`) has no route.
    pub fn route<'a>(&'a self, path: &'a str) -> Option<RouteMatch<'a>> {
        if !path.starts_with('/') {
            return None;
        }
        let (route, rest) = self.find(&self.nodes[0], path)?;
        Some(RouteMatch {
            route: &self.routes[route],
            path,
            rest: path.len() - rest.len(),
        })
    }

    /// The route below `node` that takes `rest`, and what is left for its wildcard, without slashes in front.
    fn find<'p>(&self, node: &Node, rest: &'p str) -> Option<(usize, &'p str)> {
        let rest = rest.trim_start_matches('/');
        if !rest.is_empty() {
            let end = rest
                .bytes()
                .position(|byte| byte == b'/')
                .unwrap_or(rest.len());
            let (segment, after) = rest.split_at(end);
            let literal = node
                .position(segment)
                .ok()
                .map(|found| node.literals[found].1);
            let children = literal.into_iter().chain(node.named);
            if let Some(found) = children
                .into_iter()
                .find_map(|child| self.find(&self.nodes[child], after))
            {
                return Some(found);
            }
        } else if let Some(route) = node.end {
            return Some((route, rest));
        }
        node.wildcard.map(|route| (route, rest))
    }

    /// The routes that can be taken, in the order in which they are tried, which is also the order in which `spin up`
    /// prints them. Private routes are not among them.
    pub fn routes(&self) -> impl ExactSizeIterator<Item = &Route> {
        self.routes.iter()
    }
}

impl Node {
    fn position(&self, segment: &str) -> Result<usize, usize> {
        self.literals
            .binary_search_by(|(text, _)| text.as_ref().cmp(segment))
    }
}

fn unreachable(route: &Route, by: &Route) -> String {
    format!(
        "route {:?} of `{}` is never used: route {:?} of `{}` takes the same paths",
        route.raw(),
        route.id,
        by.raw(),
        by.id
    )
}

/// A route that takes a path, and how. All text is as it was sent: nothing is percent-decoded.
#[derive(Debug, Clone, Copy)]
pub struct RouteMatch<'a> {
    route: &'a Route,
    path: &'a str,
    /// Where in `path` the wildcard's part begins, after slashes.
    rest: usize,
}

/// What a `:name` segment matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capture<'a> {
    /// The name in the route.
    pub name: &'a str,
    /// The header that carries it: `spin-path-match-<name>`, in lower case, with `-` for `_`.
    pub header: &'a HeaderName,
    /// The segment of the path, still percent-encoded.
    pub value: &'a str,
}

impl<'a> RouteMatch<'a> {
    /// The route.
    pub fn route(&self) -> &'a Route {
        self.route
    }

    /// What answers.
    pub fn target(&self) -> &'a Target {
        &self.route.target
    }

    /// For `spin-raw-component-route`: the route as the manifest has it.
    #[cfg(test)]
    pub(crate) fn raw_route(&self) -> &'a str {
        self.route.raw()
    }

    /// For `spin-component-route`: the route as the manifest has it, without a trailing `/...`.
    pub fn component_route(&self) -> &'a str {
        self.route.component_route()
    }

    /// For `spin-matched-route`: the route with a slash in front and none at the end, a trailing `/...` kept. Empty for
    /// the route `/`.
    pub fn matched_route(&self) -> &'a str {
        self.route.matched()
    }

    /// For `spin-base-path`: always `/`.
    pub fn base_path(&self) -> &'static str {
        "/"
    }

    /// For `spin-path-info`: what the trailing `/...` matched, with one slash in front, and one behind if the path ends in
    /// one. Empty when nothing was left, and for a route without `/...`. As it was sent, not percent-decoded.
    pub fn path_info(&self) -> &'a str {
        if !self.route.is_wildcard() {
            return "";
        }
        let end = self.path.trim_end_matches('/').len();
        if end <= self.rest {
            return if self.path.ends_with('/') { "/" } else { "" };
        }
        // A slash precedes the rest: the path starts with one, and segments are separated by them.
        let behind = self.path.len().min(end + 1);
        &self.path[self.rest - 1..behind]
    }

    /// For `spin-path-match-<name>`: what the `:name` segments matched, in the route's order, not percent-decoded.
    pub fn captures(&self) -> impl Iterator<Item = Capture<'a>> + use<'a> {
        let segments = self.path.split('/').filter(|segment| !segment.is_empty());
        let pattern = self.route.pattern().segments().iter();
        pattern
            .zip(segments)
            .filter_map(|(segment, value)| match segment {
                Segment::Literal(_) => None,
                Segment::Named { name, header } => Some(Capture {
                    name,
                    header,
                    value,
                }),
            })
    }
}

#[cfg(test)]
mod tests;
