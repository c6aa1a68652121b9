//! The OpenAPI 3.1 document, made from the types that the handlers use.
//!
//! The functions below are never called: they only carry the descriptions of
//! the operations. Operation ids and names are those of the original.

use utoipa::OpenApi;

use crate::types::{HttpError, HttpValidationError, Item, Message};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Spindrift",
        description = "A replicated, in-memory key-value store.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(put_item, get_item, delete_item)
)]
struct Api;

/// The OpenAPI document as JSON.
///
/// # Errors
///
/// The document does not serialise, which its tests rule out.
pub fn document() -> serde_json::Result<String> {
    Api::openapi().to_json()
}

/// Stores a value under a key, in place of any value that the key had.
#[utoipa::path(
    put,
    path = "/put",
    operation_id = "put_item_put_put",
    summary = "Put Item",
    tag = "items",
    request_body(content = Item<'static>, content_type = "application/json"),
    responses(
        (status = 200, description = "Successful Response", body = Message),
        (status = 413, description = "The value or the body is over its limit", body = HttpError),
        (status = 422, description = "Validation Error", body = HttpValidationError),
        (status = 500, description = "The store or the handler failed", body = HttpError),
        (status = 503, description = "Overloaded, or no majority of the cluster in time: the detail says whether the change was made", body = HttpError),
        (status = 504, description = "The request took too long", body = HttpError),
        (status = 507, description = "The store is full", body = HttpError),
    )
)]
#[allow(dead_code)]
fn put_item() {}

/// Reads the value of a key. `HEAD` is answered too, without a body.
#[utoipa::path(
    get,
    path = "/get/{key}",
    operation_id = "get_item_get__key__get",
    summary = "Get Item",
    tag = "items",
    params(("key" = String, Path, description = "The key, percent-encoded: 1 to 1,024 bytes of UTF-8", min_length = 1, max_length = 1024)),
    responses(
        (status = 200, description = "Successful Response", body = Item<'static>),
        (status = 404, description = "No value under this key", body = HttpError),
        (status = 422, description = "Validation Error", body = HttpValidationError),
        (status = 500, description = "The store or the handler failed", body = HttpError),
        (status = 503, description = "Overloaded, or no majority of the cluster in time", body = HttpError),
        (status = 504, description = "The request took too long", body = HttpError),
    )
)]
#[allow(dead_code)]
fn get_item() {}

/// Removes a key and its value. Of several requests for one key at a time,
/// one succeeds.
#[utoipa::path(
    delete,
    path = "/delete/{key}",
    operation_id = "delete_item_delete__key__delete",
    summary = "Delete Item",
    tag = "items",
    params(("key" = String, Path, description = "The key, percent-encoded: 1 to 1,024 bytes of UTF-8", min_length = 1, max_length = 1024)),
    responses(
        (status = 200, description = "Successful Response", body = Message),
        (status = 404, description = "No value under this key", body = HttpError),
        (status = 422, description = "Validation Error", body = HttpValidationError),
        (status = 500, description = "The store or the handler failed", body = HttpError),
        (status = 503, description = "Overloaded, or no majority of the cluster in time: the detail says whether the change was made", body = HttpError),
        (status = 504, description = "The request took too long", body = HttpError),
    )
)]
#[allow(dead_code)]
fn delete_item() {}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::limits::MAX_KEY_BYTES;

    fn parsed() -> Value {
        serde_json::from_str(&document().unwrap()).unwrap()
    }

    #[test]
    fn it_is_openapi_3_1() {
        assert_eq!(parsed()["openapi"], "3.1.0");
    }

    #[test]
    fn the_schemas_have_the_originals_names() {
        let document = parsed();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in ["HTTPValidationError", "ValidationError", "Item"] {
            assert_eq!(schemas[name]["title"], name);
        }
        assert_eq!(
            document["paths"]["/put"]["put"]["responses"]["422"]["content"]["application/json"],
            json!({"schema": {"$ref": "#/components/schemas/HTTPValidationError"}})
        );
    }

    #[test]
    fn operations_have_the_originals_ids() {
        let document = parsed();
        for (path, method, id) in [
            ("/put", "put", "put_item_put_put"),
            ("/get/{key}", "get", "get_item_get__key__get"),
            ("/delete/{key}", "delete", "delete_item_delete__key__delete"),
        ] {
            let operation = &document["paths"][path][method];
            assert_eq!(operation["operationId"], id);
            assert!(operation["responses"]["422"].is_object());
        }
        assert_eq!(document["paths"].as_object().unwrap().len(), 3);
    }

    #[test]
    fn the_limits_of_keys_are_the_ones_enforced() {
        let document = parsed();
        let in_path = &document["paths"]["/get/{key}"]["get"]["parameters"][0]["schema"];
        let in_body = &document["components"]["schemas"]["Item"]["properties"]["key"];
        for schema in [in_path, in_body] {
            assert_eq!(schema["minLength"], 1);
            assert_eq!(schema["maxLength"], MAX_KEY_BYTES);
        }
    }

    // What a handler serialises must have the members its schema has.
    #[test]
    fn the_schemas_are_those_of_the_answers() {
        use crate::reply::Reply;
        let document = parsed();
        let members = |value: &Value| {
            let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
            names.sort();
            names
        };
        let invalid = crate::body::item(b"{}").unwrap_err();
        let invalid: Value = serde_json::from_slice(&invalid.body).unwrap();
        for (schema, answer) in [
            (
                "Item",
                serde_json::from_slice(&Reply::item("k", "v").body).unwrap(),
            ),
            (
                "Message",
                serde_json::from_slice(&Reply::stored("k").body).unwrap(),
            ),
            (
                "HTTPError",
                serde_json::from_slice(&Reply::not_found().body).unwrap(),
            ),
            ("ValidationError", invalid["detail"][0].clone()),
            ("HTTPValidationError", invalid),
        ] {
            let properties = &document["components"]["schemas"][schema]["properties"];
            assert_eq!(members(properties), members(&answer), "{schema}");
        }
    }
}
