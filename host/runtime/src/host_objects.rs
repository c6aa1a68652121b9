//! What the host keeps for a guest beside its memory: resources, and what they own.
//!
//! A guest makes them by calls that other libraries answer, which count nothing: fields of up to 128 KiB, requests and responses
//! with bodies, streams, tasks, as many as there may be handles. So what there is of them is added up whenever the guest waits for
//! something, and whenever it has run for as long as a guest may without a pause. In between it makes a few MiB at most.

use std::any::Any;

use spindrift_memory::header_bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::{FieldMap, p2, p3};

use super::host_state::HostState;
use super::outbound::BODY_CHUNK;

/// What a resource takes beside what it owns, in bytes: its places in two tables, and the common ones' own fields.
const RESOURCE_BYTES: usize = 256;

/// What the place of a resource takes that was given back, in bytes.
const PLACE_BYTES: usize = 64;

/// What a stream, a future or a task takes, in bytes.
const TASK_BYTES: usize = 512;

/// What a body of WASI 0.2 may hold that nobody reads yet, in bytes: a chunk that waits, and one that is written.
const BODY_BYTES: usize = 2 * BODY_CHUNK;

/// Charges what the host keeps for the guest, as it is now.
///
/// # Errors
///
/// The budget has no room for it: the guest is to be ended.
pub(crate) fn charge(mut store: StoreContextMut<'_, HostState>) -> wasmtime::Result<()> {
    let tasks = store.concurrent_resource_table().map_or(0, places);
    let state = store.data_mut();
    let bytes = tasks * TASK_BYTES + resource_bytes(&mut state.table);
    state.memory.hold_objects(bytes)?;
    Ok(())
}

/// How many entries there are, or have been at once.
fn places(table: &mut ResourceTable) -> usize {
    // Counting those that are there takes a look at each.
    table.iter_mut().size_hint().1.unwrap_or_default()
}

fn resource_bytes(table: &mut ResourceTable) -> usize {
    let (mut bytes, mut bodies) = (places(table) * PLACE_BYTES, 0_usize);
    for resource in table.iter_mut() {
        bytes += RESOURCE_BYTES + owned_header_bytes(resource);
        bodies += usize::from(has_body(resource));
    }
    // What is charged for an instance stands for one answer.
    bytes + bodies.saturating_sub(1) * BODY_BYTES
}

/// What a resource has of headers, in bytes.
fn owned_header_bytes(resource: &(dyn Any + Send)) -> usize {
    let fields = if let Some(fields) = resource.downcast_ref::<FieldMap>() {
        fields
    } else if let Some(request) = resource.downcast_ref::<p3::Request>() {
        &request.headers
    } else if let Some(response) = resource.downcast_ref::<p3::Response>() {
        &response.headers
    } else if let Some(request) = resource.downcast_ref::<p2::types::HostOutgoingRequest>() {
        &request.headers
    } else if let Some(response) = resource.downcast_ref::<p2::types::HostOutgoingResponse>() {
        &response.headers
    } else if let Some(response) = resource.downcast_ref::<p2::types::HostIncomingResponse>() {
        &response.headers
    } else {
        return 0;
    };
    header_bytes(fields)
}

/// Whether a resource has a body that its guest can write to, and nobody reads yet.
fn has_body(resource: &(dyn Any + Send)) -> bool {
    if let Some(request) = resource.downcast_ref::<p2::types::HostOutgoingRequest>() {
        return request.body.is_some();
    }
    let response = resource.downcast_ref::<p2::types::HostOutgoingResponse>();
    response.is_some_and(|response| response.body.is_some())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn fields(bytes: usize) -> FieldMap {
        let mut fields = FieldMap::new_mutable(bytes + 1000);
        let name = HeaderName::from_static("x");
        let value = HeaderValue::try_from("v".repeat(bytes)).expect("letters");
        fields.append_raw(name, value).expect("room");
        fields
    }

    #[test]
    fn resources_count_with_what_they_own() {
        let mut table = ResourceTable::new();
        assert_eq!(resource_bytes(&mut table), 0);
        let small = table.push(fields(0)).expect("room");
        let one = resource_bytes(&mut table);
        assert!((RESOURCE_BYTES..1000).contains(&one), "{one}");
        let response = p2::types::HostOutgoingResponse {
            status: http::StatusCode::OK,
            headers: fields(100_000),
            body: None,
        };
        let large = table.push(response).expect("room");
        let both = resource_bytes(&mut table);
        assert!((100_000..102_000).contains(&(both - one)), "{both}");
        table.delete(large).expect("it is there");
        assert!(resource_bytes(&mut table) <= one + PLACE_BYTES);
        table.delete(small).expect("it is there");
    }
}
