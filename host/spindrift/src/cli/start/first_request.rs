//! A request to try first, for a person at a terminal.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use spindrift_app::{Application, Route, Target};

/// Names in a path of which a GET is seldom what is meant there.
const OTHER_METHODS: [&str; 4] = ["put", "post", "delete", "patch"];

/// What goes through a shell and through `curl` as it is.
const PLAIN: &str = "-._~/:";

/// The address of an application that is served at `base`, and a `curl` line for one of its routes, as lines of their own.
/// An application without routes gets an empty text.
pub(super) fn first_request(application: &Application, base: &str) -> String {
    let routes = application.router.routes();
    // Of equal ones the first, which is the one that the router tries first.
    let Some(route) = routes.min_by_key(|route| rank(route)) else {
        return String::new();
    };
    let base = reachable(base);
    let url = format!("{base}{}", route.example());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || PLAIN.contains(c);
    let url = if url.contains(|c| !is_plain(c)) {
        // An apostrophe ends what is quoted, and is quoted by itself.
        format!("--globoff '{}'", url.replace('\'', r"'\''"))
    } else {
        url
    };
    // Whether curl trusts the certificate, and knows the name in it, nobody can tell here.
    let insecure = if base.starts_with("https:") { "k" } else { "" };
    format!("\nReady at {base}. Try:\n  curl -i{insecure} {url}\n")
}

/// How far a route is from one whose GET shows something: the lowest is tried.
fn rank(route: &Route) -> u32 {
    let path = route.example();
    let segments = || path.split('/').filter(|segment| !segment.is_empty());
    match &route.target {
        // It answers for all paths that the application does not have.
        Target::Static(response) if response.status.as_u16() >= 400 => 5,
        _ if segments().any(|one| OTHER_METHODS.contains(&one.to_ascii_lowercase().as_str())) => 4,
        _ if segments().next().is_none() => 0,
        _ if route.has_names() => 3,
        _ if route.is_wildcard() => 2,
        _ => 1,
    }
}

/// The same base with an address that this machine reaches: nobody can connect to that of all interfaces everywhere.
fn reachable(base: &str) -> String {
    let address = base.split_once("://").and_then(|(scheme, address)| {
        let address: SocketAddr = address.parse().ok()?;
        let loopback = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Some(format!(
            "{scheme}://{}",
            SocketAddr::new(loopback, address.port())
        ))
    });
    address.unwrap_or_else(|| base.to_owned())
}

#[cfg(test)]
mod tests {
    use spindrift_app::load;

    use super::*;

    /// What is said of an application with these routes of one component, and of a static response for all others.
    fn said(routes: &[&str], base: &str) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut manifest = "spin_manifest_version = 2\napplication.name = \"x\"\n[component.c]\nsource = \"c.wasm\"\n\
                            [[trigger.http]]\nroute = \"/...\"\nstatic_response = { status_code = 404 }\n"
            .to_owned();
        for route in routes {
            manifest.push_str(&format!(
                "[[trigger.http]]\nroute = {route:?}\ncomponent = \"c\"\n"
            ));
        }
        std::fs::write(folder.path().join("spin.toml"), manifest).expect("a manifest");
        let application = load(folder.path(), &[]).expect("an application");
        first_request(&application, base)
    }

    #[test]
    fn a_route_is_tried_whose_get_shows_something() {
        let base = "http://127.0.0.1:3000";
        for (routes, path) in [
            (&["/"][..], "/"),
            (&["/put", "/get/:key", "/delete/:key"], "/get/key"),
            (
                &["/put", "/get/:key", "/docs/...", "/openapi.json"],
                "/openapi.json",
            ),
            (&["/get/:key", "/docs/..."], "/docs"),
            (&["/a/:b/c/...", "/POST"], "/a/b/c"),
            (&["/put"], "/put"),
            (&[], "/"),
        ] {
            assert_eq!(
                said(routes, base),
                format!("\nReady at {base}. Try:\n  curl -i {base}{path}\n"),
                "{routes:?}"
            );
        }
    }

    #[test]
    fn the_line_can_be_pasted_into_a_shell() {
        for (route, base, line) in [
            ("/", "http://0.0.0.0:80", "curl -i http://127.0.0.1:80/"),
            (
                "/",
                "https://[::]:443",
                "curl -ik --globoff 'https://[::1]:443/'",
            ),
            (
                "/a'b/$(c)",
                "http://10.0.0.1:80",
                r"curl -i --globoff 'http://10.0.0.1:80/a'\''b/$(c)'",
            ),
        ] {
            let said = said(&[route], base);
            assert!(said.ends_with(&format!("\n  {line}\n")), "{said}");
        }
    }
}
