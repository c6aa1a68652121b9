use wasmtime::Engine;

use super::*;
use crate::linker;

#[test]
fn names_of_spin_are_told_from_others() {
    for name in [
        "fermyon:spin/llm@2.0.0",
        "fermyon:spin/llm",
        "fermyon:spin/key-value",
        "spin:postgres/postgres@3.0.0",
        "spin:postgres/postgres@4.2.0",
        "spin:sqlite/sqlite@3.1.0",
        "wasi:otel/tracing@0.2.0-rc.2",
        "wasi:http/types@0.2.0-rc-2023-10-18",
        "wasi:http/outgoing-handler@0.2.0-rc-2023-11-10",
        "wasi:io/poll@0.2.0-rc-2023-10-18",
    ] {
        assert!(is_unsupported(name), "{name}");
    }
    for name in [
        "",
        "llm",
        "fermyon:spin",
        "fermyon:spin/",
        "fermyon:spin/llm@3.0.0",
        "fermyon:spin/llm@2.0.0 ",
        // These the host offers.
        "fermyon:spin/key-value@2.0.0",
        "spin:key-value/key-value@3.0.0",
        "wasi:http/types@0.2.0",
        // These nobody does.
        "spin:postgres/postgres@5.0.0",
        "spin:postgres/postgres",
        "spin:postgres/other@4.2.0",
        "wasi:http/types@0.2.0-rc-2024-01-01",
        "acme:spin/llm@2.0.0",
    ] {
        assert!(!is_unsupported(name), "{name}");
    }
}

/// A component that imports, by that name, an interface with one function `f`, whose type has these bytes.
fn importing(name: &str, function: &[u8]) -> Vec<u8> {
    let section = |id: u8, content: Vec<u8>| {
        let length = u8::try_from(content.len()).expect("a short section");
        [vec![id, length], content].concat()
    };
    // One type: an instance of two declarations, the type of the function and an export of it.
    let instance = [&[1, 0x42, 2, 1][..], function, &[4, 0, 1, b'f', 1, 0]].concat();
    let length = u8::try_from(name.len()).expect("a short name");
    let import = [&[1, 0, length][..], name.as_bytes(), &[5, 0]].concat();
    [
        b"\0asm\x0d\0\x01\0".to_vec(),
        section(7, instance),
        section(10, import),
    ]
    .concat()
}

/// A function without parameters and results, as it is written in a component.
const FUNCTION: &[u8] = &[0x40, 0, 1, 0];
/// The same, asynchronous.
const ASYNC_FUNCTION: &[u8] = &[0x43, 0, 1, 0];

#[test]
fn what_spin_offers_is_linked_and_anything_else_is_not() {
    let mut config = wasmtime::Config::new();
    config.wasm_component_model_async(true);
    let engine = Engine::new(&config).expect("an engine");
    let linker = linker::build(&engine).expect("a linker");
    for function in [FUNCTION, ASYNC_FUNCTION] {
        let component = |name| {
            Component::new(&engine, importing(name, function)).unwrap_or_else(|e| panic!("{e:?}"))
        };
        let spins = "spin:redis/redis@3.0.0";
        let (_, unsupported) = link(&linker, &component(spins)).expect("a linked component");
        assert_eq!(unsupported, [spins]);
        for name in ["spin:redis/redis@4.0.0", "acme:redis/redis@3.0.0"] {
            let Err(error) = link(&linker, &component(name)) else {
                panic!("{name} is linked");
            };
            assert!(format!("{error:#}").contains(name), "{error:#}");
        }
    }
}
