//! The order in which a request is checked and answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::faults::Fault;
use super::problem::{Problem, json_response};
use super::request::Target;
use super::server::{Shared, TOKEN};
use super::watching::watch;

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was lost")]
pub struct Lost;

/// Answers a request.
pub async fn answer(shared: Arc<Shared>, request: Request<Body>) -> Result<Response<Body>, Lost> {
    shared.attempts.fetch_add(1, Ordering::Relaxed);
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    let target = match Target::of(&head) {
        Ok(target) => target,
        Err(problem) => return Ok(problem.response()),
    };
    let faults = {
        let mut faults = shared.faults.lock();
        if faults.away {
            return Err(Lost);
        }
        faults.of(&target.call)
    };
    for fault in &faults {
        match fault {
            Fault::Slow(time) => sleep(*time).await,
            Fault::Status(code) => return Ok(Problem::failing(*code).response()),
            Fault::LostRequest => return Err(Lost),
            Fault::LostAnswer | Fault::SlowAnswer(_) => {}
        }
    }
    shared.calls.lock().push(target.call.clone());
    let token = head.headers.get("authorization");
    if token.is_none_or(|given| given.as_bytes() != format!("Bearer {TOKEN}").as_bytes()) {
        return Ok(Problem::new(401, "Unauthorized", "Unauthorized").response());
    }
    if shared.faults.lock().refuses(&target.call) {
        let message = format!(
            "{} is forbidden: the service account cannot {} it",
            target.call.resource, target.call.verb
        );
        return Ok(Problem::new(403, "Forbidden", message).response());
    }
    let answer = done(&shared, &target, &body).unwrap_or_else(|problem| problem.response());
    shared.changed();
    for fault in &faults {
        match fault {
            Fault::SlowAnswer(time) => sleep(*time).await,
            Fault::LostAnswer => return Err(Lost),
            _ => {}
        }
    }
    Ok(answer)
}

fn done(shared: &Arc<Shared>, target: &Target, body: &[u8]) -> Result<Response<Body>, Problem> {
    let (resource, namespace) = (target.call.resource.clone(), target.namespace.clone());
    if target.call.verb == "watch" {
        return Ok(watch(shared, target));
    }
    let mut objects = shared.objects.lock();
    if target.call.verb == "list" {
        let selector = target.query.get("labelSelector");
        let selector = selector.map_or("", String::as_str);
        let items = objects.list(&resource, &namespace, selector);
        let list = json!({
            "kind": "List", "apiVersion": "v1",
            "metadata": { "resourceVersion": objects.version().to_string() },
            "items": items,
        });
        return Ok(json_response(200, &list));
    }
    let object = || {
        serde_json::from_slice::<Value>(body)
            .map_err(|error| Problem::new(400, "BadRequest", error.to_string()))
    };
    if target.call.verb == "create" {
        let object = object()?;
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let place = (resource, namespace, name.to_owned());
        return Ok(json_response(201, &objects.create(place, object)?));
    }
    let place = (resource, namespace, target.name.clone().unwrap_or_default());
    let object = match target.call.verb {
        "get" => objects.get(&place)?,
        "update" => objects.replace(place, object()?)?,
        "patch" => objects.patch(place, &object()?)?,
        _ => objects.delete(place)?,
    };
    Ok(json_response(200, &object))
}
