//! What is served under which path, and how long it may be kept.

use std::borrow::Cow;

use spindrift_api::openapi;
use spindrift_api::path::without_query;
use spindrift_api::reply::Reply;

/// The page and the document may change with the next release: ask each time.
const REVALIDATE: &str = "no-cache";
/// Swagger UI's own files seldom change.
const ONE_DAY: &str = "public, max-age=86400";

/// The answer to a `GET` or `HEAD` of `target` (a path, perhaps with a query),
/// where the client has what `if_none_match` names.
pub fn get(target: &str, if_none_match: Option<&str>) -> Reply {
    let (content_type, cache, body): (_, _, Cow<'static, [u8]>) = match without_query(target) {
        "/docs" => (
            "text/html; charset=utf-8",
            REVALIDATE,
            Cow::Borrowed(include_bytes!("index.html")),
        ),
        // The page's links are relative to `/docs`.
        "/docs/" => return redirect("../docs"),
        "/docs/swagger-ui.css" => (
            "text/css; charset=utf-8",
            ONE_DAY,
            Cow::Borrowed(include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css"))),
        ),
        "/docs/swagger-ui-bundle.js" => (
            "text/javascript; charset=utf-8",
            ONE_DAY,
            Cow::Borrowed(include_bytes!(concat!(
                env!("OUT_DIR"),
                "/swagger-ui-bundle.js"
            ))),
        ),
        "/docs/favicon-32x32.png" => (
            "image/png",
            ONE_DAY,
            Cow::Borrowed(include_bytes!(concat!(
                env!("OUT_DIR"),
                "/favicon-32x32.png"
            ))),
        ),
        "/openapi.json" => match openapi::document() {
            Ok(document) => (
                "application/json",
                REVALIDATE,
                Cow::Owned(document.into_bytes()),
            ),
            Err(error) => return Reply::error(500, &error.to_string()),
        },
        _ => return Reply::not_found(),
    };
    let etag = etag(&body);
    let unchanged = if_none_match.is_some_and(|tags| {
        tags.split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == etag || tag == "*")
    });
    Reply {
        status: if unchanged { 304 } else { 200 },
        content_type,
        headers: vec![
            ("etag", Cow::Owned(etag)),
            ("cache-control", Cow::Borrowed(cache)),
        ],
        body: if unchanged {
            Vec::new()
        } else {
            body.into_owned()
        },
    }
}

fn redirect(location: &'static str) -> Reply {
    Reply {
        status: 307,
        content_type: "text/plain; charset=utf-8",
        headers: vec![("location", Cow::Borrowed(location))],
        body: Vec::new(),
    }
}

/// A tag that changes with the contents: their FNV-1a hash.
fn etag(body: &[u8]) -> String {
    let hash = body.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("\"{hash:016x}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
        let found = reply.headers.iter().find(|(field, _)| *field == name);
        found.map_or("", |(_, value)| value)
    }

    // The page must work without a network: all it names is served here.
    #[test]
    fn the_page_names_only_what_is_served() {
        let page = get("/docs", None);
        let html = String::from_utf8(page.body).unwrap();
        let named: Vec<&str> = ["href=\"", "src=\"", "url: \""]
            .iter()
            .flat_map(|before| html.split(before).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!(named.len(), 4);
        for path in named {
            let reply = get(&format!("/{path}"), None);
            assert_eq!(reply.status, 200, "{path}");
            assert!(!reply.body.is_empty(), "{path}");
        }
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        for path in ["/docs", "/docs/swagger-ui.css", "/openapi.json?x"] {
            let first = get(path, None);
            let tag = header(&first, "etag");
            let again = get(path, Some(&format!("\"other\", W/{tag}")));
            assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
            assert_eq!(header(&again, "etag"), tag);
            assert_eq!(get(path, Some("\"other\"")).status, 200, "{path}");
        }
    }

    #[test]
    fn the_folder_leads_to_the_page() {
        let reply = get("/docs/", None);
        assert_eq!((reply.status, header(&reply, "location")), (307, "../docs"));
    }

    #[test]
    fn there_is_nothing_else() {
        for path in ["/docs/none", "/docs/../docs", "/", ""] {
            assert_eq!(get(path, None).status, 404, "{path}");
        }
    }
}
