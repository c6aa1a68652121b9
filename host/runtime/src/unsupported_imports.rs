//! What Spin 4.1 offers to components and this host does not.
//!
//! SDKs for Python and others import all of Spin's interfaces into each component, whether the component calls them or not.
//! So such an import does not stop the start: it is linked so that each call fails in words, with the interface's own error
//! where that has a place for words, and with a trap otherwise. A name that Spin does not know is left unlinked.

use std::borrow::Cow;

use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component, InstancePre, Linker, LinkerInstance, ResourceType, Val};

use super::host_state::HostState;

/// Interfaces of one package, in one or several versions.
struct Package {
    name: &'static str,
    versions: &'static [&'static str],
    interfaces: &'static [&'static str],
}

/// The generations of WASI before 0.2.0 that Spin still takes. Their functions are not those of 0.2.0.
const BEFORE_0_2_0: &[&str] = &["0.2.0-rc-2023-10-18", "0.2.0-rc-2023-11-10"];

/// The names that Spin 4.1 links, and this host does not: those of the worlds `spin:up/platform@4.1.0` and
/// `fermyon:spin/platform`, of the versions before them, and of old generations of WASI. An empty version stands for a name
/// without one, as Spin 1 has it.
const PACKAGES: &[Package] = &[
    Package {
        name: "fermyon:spin",
        versions: &["2.0.0"],
        interfaces: &[
            "llm",
            "mqtt",
            "mysql",
            "postgres",
            "rdbms-types",
            "redis",
            "sqlite",
        ],
    },
    Package {
        name: "fermyon:spin",
        versions: &[""],
        interfaces: &[
            "config",
            "http",
            "http-types",
            "key-value",
            "llm",
            "mysql",
            "postgres",
            "rdbms-types",
            "redis",
            "redis-types",
            "sqlite",
        ],
    },
    Package {
        name: "spin:mqtt",
        versions: &["3.0.0"],
        interfaces: &["mqtt"],
    },
    Package {
        name: "spin:mysql",
        versions: &["3.0.0"],
        interfaces: &["mysql"],
    },
    Package {
        name: "spin:postgres",
        versions: &["3.0.0", "4.0.0", "4.1.0", "4.2.0"],
        interfaces: &["postgres"],
    },
    Package {
        name: "spin:redis",
        versions: &["3.0.0"],
        interfaces: &["redis"],
    },
    Package {
        name: "spin:sqlite",
        versions: &["3.0.0", "3.1.0"],
        interfaces: &["sqlite"],
    },
    Package {
        name: "wasi:otel",
        versions: &["0.2.0-rc.2"],
        interfaces: &["logs", "metrics", "tracing", "types"],
    },
    Package {
        name: "wasi:cli",
        versions: BEFORE_0_2_0,
        interfaces: &[
            "environment",
            "exit",
            "stderr",
            "stdin",
            "stdout",
            "terminal-input",
            "terminal-output",
            "terminal-stderr",
            "terminal-stdin",
            "terminal-stdout",
        ],
    },
    Package {
        name: "wasi:clocks",
        versions: BEFORE_0_2_0,
        interfaces: &["monotonic-clock", "wall-clock"],
    },
    Package {
        name: "wasi:filesystem",
        versions: BEFORE_0_2_0,
        interfaces: &["preopens", "types"],
    },
    Package {
        name: "wasi:http",
        versions: BEFORE_0_2_0,
        interfaces: &["outgoing-handler", "types"],
    },
    Package {
        name: "wasi:io",
        versions: BEFORE_0_2_0,
        interfaces: &["error", "poll", "streams"],
    },
    Package {
        name: "wasi:random",
        versions: BEFORE_0_2_0,
        interfaces: &["insecure", "insecure-seed", "random"],
    },
    Package {
        name: "wasi:sockets",
        versions: BEFORE_0_2_0,
        interfaces: &[
            "instance-network",
            "ip-name-lookup",
            "network",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
    },
];

/// Whether an import of this name, such as `spin:redis/redis@3.0.0`, is one of those that Spin offers and this host does not.
pub(crate) fn is_unsupported(import: &str) -> bool {
    let Some((package, rest)) = import.split_once('/') else {
        return false;
    };
    let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
    PACKAGES.iter().any(|known| {
        known.name == package
            && known.interfaces.contains(&interface)
            && known.versions.contains(&version)
    })
}

/// Stands for each resource of an interface that is not offered. No guest ever holds one, since the calls that make them fail.
struct NoResource;

/// Links a component with what `linker` has, and with calls that fail where it has nothing and Spin has. Gives the names of
/// such imports, too, in the order of the component.
///
/// # Errors
///
/// Fails if the component imports something else that `linker` does not have, or has in another form, and names it.
pub(crate) fn link(
    linker: &Linker<HostState>,
    component: &Component,
) -> wasmtime::Result<(InstancePre<HostState>, Vec<String>)> {
    let engine = linker.engine();
    let ty = component.component_type();
    let mut linker = Cow::Borrowed(linker);
    let mut unsupported = Vec::new();
    for (name, import) in ty.imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else {
            continue;
        };
        if !is_unsupported(name) {
            continue;
        }
        let mut into = linker.to_mut().instance(name)?;
        for (export, item) in instance.exports(engine) {
            define(&mut into, name, export, &item.ty)?;
        }
        unsupported.push(name.to_owned());
    }
    Ok((linker.instantiate_pre(component)?, unsupported))
}

/// Defines an item of an interface that is not offered.
fn define(
    into: &mut LinkerInstance<'_, HostState>,
    interface: &str,
    name: &str,
    item: &ComponentItem,
) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(function) => {
            let words =
                format!("`{name}` of {interface} was called, which this host does not offer");
            if function.async_() {
                into.func_new_concurrent(name, move |_, ty, _, results| {
                    let failed = fail(&words, &ty, results);
                    Box::pin(async move { failed })
                })
            } else {
                into.func_new(name, move |_, ty, _, results| fail(&words, &ty, results))
            }
        }
        ComponentItem::Resource(_) => {
            into.resource(name, ResourceType::host::<NoResource>(), |_, _| Ok(()))
        }
        // Types alone. An interface can have nothing else.
        _ => Ok(()),
    }
}

/// Lets a call fail with the error that its result has for it, or with a trap.
fn fail(words: &str, ty: &ComponentFunc, results: &mut [Val]) -> wasmtime::Result<()> {
    if let Some(Type::Result(result)) = ty.results().next()
        && let Some(error) = result.err().and_then(|ty| error_of(&ty, words))
        && let [place] = results
    {
        *place = Val::Result(Err(Some(Box::new(error))));
        return Ok(());
    }
    Err(wasmtime::Error::msg(words.to_owned()))
}

/// The cases of an error that stand for a fault of the host rather than of the component, in the order in which they are looked
/// for: that of `llm`, of `sqlite`, and of the rest.
const FAULTS: [&str; 3] = ["runtime-error", "io", "other"];

/// The value of an error's type that has these words in it.
fn error_of(ty: &Type, words: &str) -> Option<Val> {
    match ty {
        Type::String => Some(Val::String(words.to_owned())),
        Type::Variant(variant) => {
            let has_words = |name: &str| {
                let mut cases = variant.cases();
                cases.any(|case| case.name == name && matches!(case.ty, Some(Type::String)))
            };
            let fault = FAULTS.into_iter().find(|name| has_words(name))?;
            let words = Val::String(words.to_owned());
            Some(Val::Variant(fault.to_owned(), Some(Box::new(words))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
