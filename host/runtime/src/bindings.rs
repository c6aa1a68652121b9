//! Rust types for the interfaces in `host/runtime/wit`: those that Spin components
//! import beside WASI itself.

#![allow(missing_docs, reason = "generated from the interfaces")]

wasmtime::component::bindgen!({
    path: "wit",
    world: "spindrift:host/imports",
    imports: {
        // Synchronous for the guest, but the host may have to wait for a read
        // index or, after the response head, for a commit.
        "fermyon:spin/key-value": async | trappable,
        "wasi:keyvalue/store": async | trappable,
        "wasi:keyvalue/atomics": async | trappable,
        "wasi:keyvalue/batch": async | trappable,
        default: trappable,
    },
    with: {
        "spin:key-value/key-value.store": super::key_value::OpenStore,
        "fermyon:spin/key-value.store": super::key_value::OpenStore,
        "wasi:keyvalue/store.bucket": super::key_value::OpenStore,
        "wasi:keyvalue/atomics.cas": super::key_value::CompareAndSwap,
    },
});
