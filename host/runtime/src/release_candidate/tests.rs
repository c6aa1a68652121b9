use wasmtime::Engine;
use wasmtime::component::Component;

use super::*;
use crate::linker;

const PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";

/// A section.
fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a section of less than 16 KiB");
    let length = [(length & 0x7f) as u8 | 0x80, (length >> 7) as u8];
    [&[id][..], &length, content].concat()
}

/// Names in a section of imports or exports, each followed by these bytes.
fn named(names: &[&str], each: &[u8]) -> Vec<u8> {
    let mut content = vec![u8::try_from(names.len()).expect("few names")];
    for name in names {
        content.extend([0, u8::try_from(name.len()).expect("a short name")]);
        content.extend(name.as_bytes());
        content.extend(each);
    }
    content
}

/// A component that imports empty interfaces by these names, and exports the first of them by the others.
fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
    let ty = section(7, &[1, 0x42, 0]);
    let imports = section(10, &named(imports, &[5, 0]));
    let exports = section(11, &named(exports, &[5, 0, 0]));
    [PREAMBLE, &ty, &imports, &exports].concat()
}

fn engine() -> Engine {
    let mut config = wasmtime::Config::new();
    config.wasm_component_model_async(true);
    Engine::new(&config).expect("an engine")
}

#[test]
fn a_component_of_the_release_candidate_becomes_one_of_the_final_version() {
    let of = |version: &str| {
        let http = format!("wasi:http/types@{version}");
        let cli = format!("wasi:cli/stdout@{version}");
        let handler = format!("wasi:http/handler@{version}");
        // Both versions side by side, as SDKs import them.
        component(
            &[
                &http,
                "wasi:http/types@0.3.0",
                &cli,
                "spin:key-value/key-value@3.0.0",
            ],
            &[&handler, "acme:own/thing@0.3.0-rc-2026-03-15"],
        )
    };
    let made = made_final(of("0.3.0-rc-2026-03-15"));
    assert_eq!(made, of("0.3.0+rc-2026-03-15"));

    let engine = engine();
    let linker = linker::build(&engine).expect("a linker");
    let component = Component::new(&engine, &made).unwrap_or_else(|error| panic!("{error:?}"));
    let linked = linker.instantiate_pre(&component);
    assert!(linked.is_ok(), "{:#}", linked.err().expect("an error"));
    let handler = component.get_export_index(None, "wasi:http/handler@0.3.0");
    assert!(handler.is_some(), "the handler is not found");
}

#[test]
fn all_else_stays_as_it_is() {
    let names = [
        "wasi:http/types@0.3.0",
        "wasi:http/types@0.3.0-rc-2026-01-06",
        "wasi:http/types@0.3.0-rc-2026-03-15x",
        "wasi:otel/types@0.3.0-rc-2026-03-15",
        "acme:http/types@0.3.0-rc-2026-03-15",
    ];
    let inner = component(&["wasi:http/types@0.3.0-rc-2026-03-15"], &[]);
    let outer = component(&names, &[]);
    let nested = [&outer[..], &section(4, &inner)].concat();
    let ends_early = &inner[..inner.len() - 1];
    let module = [b"\0asm\x01\0\0\0", &inner[8..]].concat();
    for wasm in [&nested[..], ends_early, &module, b"", b"text", PREAMBLE] {
        assert_eq!(made_final(wasm.to_vec()), wasm);
    }
}
