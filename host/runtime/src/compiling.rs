//! From the WebAssembly of an application to compiled components: each piece once, checked before any is compiled, and taken
//! from what was compiled ahead of time where it is there.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;
use spindrift_app::Application;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::RuntimeError;
use super::compiled::CompiledComponents;
use super::interface::InterfaceCheck;
use super::progress::{Progress, Tell};
use super::wasm::Wasm;

/// Gives the compiled components of an application, in its order. `tell` is told how far that is.
///
/// # Errors
///
/// See [`RuntimeError`]; the first component that fails is named, before any is compiled if that shows it.
pub(crate) fn compile(
    engine: &Engine,
    application: &Application,
    ahead_of_time: Option<&CompiledComponents>,
    tell: Tell<'_>,
) -> Result<Vec<Component>, RuntimeError> {
    let all = Wasm::of(application)?;
    let loaded = in_parallel(&all, |wasm| load(engine, wasm, ahead_of_time?));
    let missing = all.iter().zip(&loaded);
    let missing: Vec<_> = missing
        .filter_map(|(wasm, loaded)| loaded.is_none().then_some(wasm))
        .collect();
    let missing = check(missing)?;
    let count = application.components.len();
    let mut compiled = Progress::logged(count, tell, |progress| {
        for (wasm, loaded) in all.iter().zip(&loaded) {
            if loaded.is_some() {
                progress.loaded(wasm);
            }
        }
        in_parallel(&missing, |Checked { wasm, component }| {
            progress.compiled(wasm, || {
                Component::new(engine, component).map_err(|error| not_compiled(wasm, error))
            })
        })
    })
    .into_iter();
    let mut components = vec![None; count];
    for (wasm, loaded) in all.iter().zip(loaded) {
        let component = match loaded {
            Some(component) => Some(component),
            None => compiled.next().transpose()?,
        };
        for index in wasm.indexes() {
            components[*index].clone_from(&component);
        }
    }
    // Each component has its place in one piece.
    Ok(components.into_iter().flatten().collect())
}

/// A piece that is ready to be compiled.
pub(crate) struct Checked<'a> {
    pub wasm: &'a Wasm<'a>,
    /// The component, also where the file has a core module.
    pub component: Cow<'a, [u8]>,
}

/// Makes components of core modules, and checks what each piece imports and exports.
///
/// # Errors
///
/// Names the first component that the host cannot run.
pub(crate) fn check<'a>(
    all: impl IntoIterator<Item = &'a Wasm<'a>>,
) -> Result<Vec<Checked<'a>>, RuntimeError> {
    let mut all = all.into_iter().peekable();
    if all.peek().is_none() {
        return Ok(Vec::new());
    }
    let interfaces = InterfaceCheck::new()?;
    let checked = all.map(|wasm| {
        let component = wasm.componentized()?;
        let checked = interfaces.check(&wasm.component().id, &component);
        checked.map_err(|error| wasm.placed(error))?;
        Ok(Checked { wasm, component })
    });
    checked.collect()
}

/// That a piece is nothing that Wasmtime compiles.
pub(crate) fn not_compiled(wasm: &Wasm<'_>, reason: wasmtime::Error) -> RuntimeError {
    wasm.placed(RuntimeError::Compile {
        component: wasm.component().id.clone(),
        path: wasm.component().source.clone(),
        reason,
    })
}

/// What was compiled of it ahead of time. The log says why, if there is nothing.
fn load(engine: &Engine, wasm: &Wasm<'_>, compiled: &CompiledComponents) -> Option<Component> {
    match compiled.load(engine, wasm) {
        Ok(component) => return Some(component),
        Err(reason) if reason.is_missing() => {
            tracing::info!("{} is compiled now: {reason}", wasm.subject());
        }
        Err(reason) => tracing::warn!("{} is compiled now: {reason}", wasm.subject()),
    }
    None
}

/// Does `work` for each item, as many at a time as there are cores, and gives the results in order. Wasmtime spreads the
/// functions of one component over the cores, too. More components at a time would all be done late.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    thread::scope(|scope| {
        for _ in 0..cores.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let result = work(item);
                    results.lock().push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner();
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_parallel_work_are_in_order() {
        for count in [0, 1, 100] {
            let items: Vec<usize> = (0..count).collect();
            let doubled: Vec<usize> = items.iter().map(|item| item * 2).collect();
            assert_eq!(in_parallel(&items, |item| item * 2), doubled);
        }
    }
}
