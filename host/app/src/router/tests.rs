//! Routing: Spin's precedence, what a match knows, and the tree against slower routers.

use proptest::prelude::*;

use super::*;
use crate::route::Pattern;

fn router(routes: &[&str]) -> (Router, Vec<String>) {
    let mut warnings = Vec::new();
    let routes = routes
        .iter()
        .enumerate()
        .map(|(index, raw)| {
            let pattern = Pattern::parse(raw).unwrap_or_else(|fault| panic!("{raw}: {fault}"));
            Route::new(format!("c{index}"), Target::Component(index), pattern)
        })
        .collect();
    (Router::new(routes, &mut warnings), warnings)
}

/// The text of the route that takes `path`.
fn taken<'a>(router: &'a Router, path: &'a str) -> Option<&'a str> {
    router.route(path).map(|found| found.raw_route())
}

#[test]
fn text_goes_before_names_and_names_before_wildcards() {
    let routes = [
        "/...",
        "/a",
        "/a/...",
        "/a/b/...",
        "/:x",
        "/:x/b",
        "/a/:y/c",
        "/get/:key",
        "/",
    ];
    let mut backwards = routes;
    backwards.reverse();
    for routes in [routes, backwards] {
        let (router, warnings) = router(&routes);
        assert_eq!(warnings, [""; 0]);
        for (path, expected) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/", "/a"),
            ("/a/x", "/a/..."),
            ("/a/b", "/a/b/..."),
            ("/a/b/c", "/a/b/..."),
            ("/a/x/c", "/a/:y/c"),
            ("/a/x/d", "/a/..."),
            ("/z", "/:x"),
            ("/z/b", "/:x/b"),
            ("/z/c", "/..."),
            ("/get/k", "/get/:key"),
            ("/get/k%2Fl", "/get/:key"),
            ("/get/k/l", "/..."),
            ("/get/", "/:x"),
            ("//get//k//", "/get/:key"),
            ("/ab", "/:x"),
            ("/ab/c", "/..."),
        ] {
            assert_eq!(taken(&router, path), Some(expected), "{path}");
        }
    }
}

#[test]
fn what_no_route_takes_has_no_match() {
    let (router, _) = router(&["/a", "/b/:x", "/c/..."]);
    for path in [
        "/", "", "*", "a", "/A", "/a/b", "/b", "/b/", "/b/x/y", "/cc", "/c-", "/d",
    ] {
        assert_eq!(taken(&router, path), None, "{path:?}");
    }
    assert!(Router::default().route("/").is_none());
}

#[test]
fn path_info_is_what_the_wildcard_took() {
    for (route, path, info) in [
        ("/...", "/", "/"),
        ("/...", "/1/2/3", "/1/2/3"),
        ("/...", "//1//2//", "/1//2/"),
        ("/1/...", "/1/2/3", "/2/3"),
        ("/test/...", "/test", ""),
        ("/test/...", "/test/", "/"),
        ("/test/...", "/test//", "/"),
        ("/test/...", "/test/hello", "/hello"),
        ("/test/...", "/test/hello/", "/hello/"),
        ("/test/...", "/test//hello", "/hello"),
        ("/test/...", "/test/a%20b%2Fc", "/a%20b%2Fc"),
        ("/a/:b/*", "/a/b/c", "/c"),
        ("/a/:b", "/a/b/", ""),
        ("/", "/", ""),
    ] {
        let (router, _) = router(&[route]);
        let found = router
            .route(path)
            .unwrap_or_else(|| panic!("{route} does not take {path}"));
        assert_eq!(found.path_info(), info, "{route} {path}");
    }
}

#[test]
fn captures_have_names_headers_and_values_as_sent() {
    let (router, _) = router(&["/u/:user_id/x/:Key/..."]);
    let found = router
        .route("/u//4%2F2/x/%C3%A4/rest")
        .expect("the route takes it");
    let captures: Vec<_> = found
        .captures()
        .map(|capture| (capture.name, capture.header.as_str(), capture.value))
        .collect();
    assert_eq!(
        captures,
        [
            ("user_id", "spin-path-match-user-id", "4%2F2"),
            ("Key", "spin-path-match-key", "%C3%A4")
        ]
    );
    assert_eq!(found.path_info(), "/rest");
    assert_eq!(found.matched_route(), "/u/:user_id/x/:Key/...");
    assert_eq!(found.component_route(), "/u/:user_id/x/:Key");
    assert_eq!(found.base_path(), "/");
    assert!(matches!(found.target(), Target::Component(0)));
}

#[test]
fn of_duplicates_the_last_counts_and_of_equivalents_the_first() {
    let (router, warnings) = router(&["/a", "/:x", "/a", "/:y", "/a/", "/b/...", "/b/*"]);
    let ids: Vec<_> = router
        .routes()
        .map(|route| format!("{} {}", route.id, route.raw()))
        .collect();
    assert_eq!(ids, ["c2 /a", "c5 /b/...", "c1 /:x"]);
    assert_eq!(
        warnings,
        [
            "route \"/a\" of `c0` is never used: route \"/a\" of `c2` takes the same paths",
            "route \"/a/\" of `c4` is never used: route \"/a\" of `c2` takes the same paths",
            "route \"/b/*\" of `c6` is never used: route \"/b/...\" of `c5` takes the same paths",
            "route \"/:y\" of `c3` is never used: route \"/:x\" of `c1` takes the same paths",
        ]
    );
}

/// Whether a route takes a path, written down as plainly as can be.
fn takes(route: &str, path: &str) -> bool {
    let split = |text: &str| -> Vec<String> {
        text.split('/')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (mut route, path) = (split(route), split(path));
    let wildcard = route.last().is_some_and(|last| last == "...");
    if wildcard {
        route.pop();
    }
    let length_fits = if wildcard {
        path.len() >= route.len()
    } else {
        path.len() == route.len()
    };
    length_fits
        && route
            .iter()
            .zip(&path)
            .all(|(route, path)| route.starts_with(':') || route == path)
}

/// The order in which routes are tried, as a key: 0 for the end, 1 for text, 2 for a name, 3 for a wildcard.
fn key(route: &str) -> Vec<u8> {
    let parts = route.split('/').filter(|part| !part.is_empty());
    let mut key: Vec<u8> = parts
        .map(|part| match part {
            "..." => 3,
            _ if part.starts_with(':') => 2,
            _ => 1,
        })
        .collect();
    if key.last() != Some(&3) {
        key.push(0);
    }
    key
}

fn routes() -> impl Strategy<Value = Vec<String>> {
    let segment = prop_oneof![3 => "[ab]{1,2}", 2 => ":[xy]"];
    let route = (prop::collection::vec(segment, 0..4), any::<bool>()).prop_filter_map(
        "a name occurs twice",
        |(mut segments, wildcard)| {
            let named = |name: &str| segments.iter().filter(|segment| *segment == name).count() > 1;
            if named(":x") || named(":y") {
                return None;
            }
            if wildcard {
                segments.push("...".to_owned());
            }
            Some(format!("/{}", segments.join("/")))
        },
    );
    prop::collection::vec(route, 0..12)
}

fn paths() -> impl Strategy<Value = Vec<String>> {
    let path = (prop::collection::vec("[ab]{1,2}", 0..5), "/{0,2}", "/{0,2}")
        .prop_map(|(segments, before, after)| format!("/{before}{}{after}", segments.join("/")));
    prop::collection::vec(path, 1..20)
}

proptest! {
    #[test]
    fn the_tree_agrees_with_a_naive_router(routes in routes(), paths in paths()) {
        let texts: Vec<&str> = routes.iter().map(String::as_str).collect();
        let (router, _) = router(&texts);
        for path in &paths {
            let best = texts.iter().filter(|route| takes(route, path)).map(|route| key(route)).min();
            let found = router.route(path);
            prop_assert_eq!(found.map(|found| key(found.raw_route())), best.clone(), "{}", path);
            let Some(found) = found else { continue };
            prop_assert!(takes(found.raw_route(), path));

            // The captures and the path info, put back into the route, make the path again.
            let mut captures = found.captures();
            let mut again = String::new();
            for part in found.raw_route().split('/').filter(|part| !part.is_empty() && *part != "...") {
                again.push('/');
                again.push_str(if part.starts_with(':') { captures.next().expect("a capture for each name").value } else { part });
            }
            prop_assert!(captures.next().is_none());
            again.push_str(found.path_info());
            let parts = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(parts(&again), parts(path));
        }
    }

    /// Spin routes with `routefinder`. It differs where it takes `/ab` for `/a/:b`, so paths with two letters in a segment
    /// are left out.
    #[test]
    fn routes_and_their_order_agree_with_spins_router(routes in routes(), paths in paths()) {
        let mut distinct: Vec<&str> = Vec::new();
        for route in &routes {
            if !distinct.contains(&route.as_str()) {
                distinct.push(route);
            }
        }
        let (router, _) = router(&distinct);
        let mut theirs = routefinder::Router::new();
        for route in &distinct {
            theirs.add(route.replace("...", "*"), *route).expect("the route is good");
        }
        let printed: Vec<&str> = router.routes().map(Route::raw).collect();
        let expected: Vec<&str> = theirs.iter().map(|(_, route)| *route).filter(|route| printed.contains(route)).collect();
        prop_assert_eq!(printed, expected);
        for path in paths.iter().filter(|path| path.split('/').all(|segment| segment.len() < 2)) {
            let expected = theirs.best_match(path.as_str()).map(|found| *found);
            prop_assert_eq!(taken(&router, path), expected, "{}", path);
        }
    }

    #[test]
    fn no_path_makes_it_panic(path in "\\PC*") {
        let (router, _) = router(&["/...", "/:a/b/...", "/a/:b"]);
        for path in [path.clone(), format!("/{path}")] {
            if let Some(found) = router.route(&path) {
                let _ = (found.path_info(), found.captures().count());
            }
        }
    }
}
