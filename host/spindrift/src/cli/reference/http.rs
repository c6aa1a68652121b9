//! Status codes of the public port, and the paths that the host answers itself.

use spindrift_gateway::{HostAnswer, WELL_KNOWN, Written};

use super::markdown::table;
use crate::admin::PATHS;

const STATUSES: &str = "
## HTTP status codes

A component chooses the status of its answer. The host answers in its place with the statuses below. The body is \
`{\"detail\": \"…\"}`; a 5xx may have a `request_id` too, under which the log has the cause. A 503 has `Retry-After`. \
A 400, 414 or 431 for a head that the host cannot parse has no body.

";

const COMPONENTS: &str = "
The components of this project answer with 200, or with:

| status | meaning | written |
| --- | --- | --- |
| 404 | The key has no value, or the API has no such path. | nothing |
| 405 | The path takes the methods in the header `Allow` only. | nothing |
| 413 | The value is larger than 1 MiB, or than the store takes. | nothing |
| 422 | The key or the body is faulty. The detail lists every fault. | nothing |
| 500 | The store has failed. | nothing |
";

const PUBLIC: &str = "
## Probes and admin port

The host itself answers everything under `/.well-known/spin/` and `/.well-known/spindrift/` of the public port. It does so \
beyond `--max-concurrent-requests` too, and without TLS also beyond `--max-connections`. Those under `spindrift/` have an \
answer from the moment that the host listens.

";

const ADMIN: &str = "
`--admin-listen` opens a port for operators. `/metrics` and `/status` are 503 until the host serves the application.

";

/// The section on status codes.
pub(super) fn statuses() -> String {
    let rows = HostAnswer::ALL.iter().map(|answer| {
        let written = match answer.written() {
            Written::Nothing => "nothing",
            Written::Unknown => "all or nothing",
        };
        [
            answer.status().as_str().to_owned(),
            answer.meaning().to_owned(),
            written.to_owned(),
            answer.again().to_owned(),
        ]
    });
    let header = ["status", "meaning", "written", "try again"];
    [STATUSES, &table(&header, rows), COMPONENTS].concat()
}

/// The section on paths.
pub(super) fn paths() -> String {
    let rows = |paths: &[(&str, &str)]| {
        let rows = paths.iter();
        let rows = rows.map(|(path, answer)| [format!("`{path}`"), (*answer).to_owned()]);
        table(&["path", "answer"], rows)
    };
    [PUBLIC, &rows(&WELL_KNOWN), ADMIN, &rows(&PATHS)].concat()
}
