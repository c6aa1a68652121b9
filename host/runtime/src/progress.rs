//! [`Progress`]: what is said, in the log and to probes, while components are compiled. A large one takes minutes on a busy machine, and Wasmtime does
//! not tell which part of it is done.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::wasm::Wasm;

/// How often it is said what is still being compiled.
const EVERY: Duration = Duration::from_secs(3);

/// What takes less needs no explanation.
const WORTH_A_WORD: Duration = Duration::from_millis(200);

/// What an application's components are compiled from, and how far that is.
pub(crate) struct Progress<'t> {
    began: Instant,
    components: usize,
    state: Mutex<State>,
    /// Told how far it is whenever that changes.
    tell: Tell<'t>,
}

/// Takes how far the components are, as a clause.
pub(crate) type Tell<'t> = &'t (dyn Fn(String) + Sync);

#[derive(Default)]
struct State {
    ready: usize,
    under_way: Vec<UnderWay>,
}

struct UnderWay {
    subject: String,
    bytes: usize,
    began: Instant,
}

impl<'t> Progress<'t> {
    /// Does `work`, and logs every few seconds which of so many components are being compiled in it, and for how long. `tell`
    /// is told at once.
    pub(crate) fn logged<T>(components: usize, tell: Tell<'t>, work: impl FnOnce(&Self) -> T) -> T {
        let log = |line| tracing::info!("{line}");
        Self::said(components, EVERY, log, tell, work)
    }

    fn said<T>(
        components: usize,
        every: Duration,
        say: impl Fn(String) + Send,
        tell: Tell<'t>,
        work: impl FnOnce(&Self) -> T,
    ) -> T {
        let progress = Self {
            began: Instant::now(),
            components,
            state: Mutex::default(),
            tell,
        };
        let progress = &progress;
        let (working, ended) = mpsc::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                    progress.under_way().into_iter().for_each(&say);
                }
            });
            // Its end is that of the work, even if that panics.
            let _working = working;
            work(progress)
        })
    }

    /// A line for each piece of WebAssembly that is being compiled.
    fn under_way(&self) -> Vec<String> {
        let state = self.state.lock();
        let lines = state.under_way.iter().map(|one| {
            format!(
                "{} is being compiled, for {} s so far: {:.1} MiB of WebAssembly",
                one.subject,
                one.began.elapsed().as_secs(),
                one.bytes as f64 / f64::from(1 << 20),
            )
        });
        lines.collect()
    }

    /// Has `compile` compile `wasm`, and says so once it has, unless it took no time, as it does from the cache.
    ///
    /// # Errors
    ///
    /// Those of `compile`.
    pub(crate) fn compiled<T, E>(
        &self,
        wasm: &Wasm<'_>,
        compile: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let began = Instant::now();
        let subject = wasm.subject();
        {
            let mut state = self.state.lock();
            state.under_way.push(UnderWay {
                subject: subject.clone(),
                bytes: wasm.len(),
                began,
            });
            self.tell(&state);
        }
        let result = compile();
        let mut state = self.state.lock();
        state.under_way.retain(|one| one.subject != subject);
        if result.is_ok() {
            let ready = self.note_ready(&mut state, wasm);
            if began.elapsed() >= WORTH_A_WORD {
                tracing::info!("compiled {ready}: {subject}");
            } else {
                tracing::debug!("ready: {ready}: {subject}");
            }
        }
        result
    }

    /// Takes in that `wasm` is ready without being compiled.
    pub(crate) fn loaded(&self, wasm: &Wasm<'_>) {
        let ready = self.note_ready(&mut self.state.lock(), wasm);
        tracing::debug!(
            "ready as compiled ahead of time: {ready}: {}",
            wasm.subject()
        );
    }

    fn note_ready(&self, state: &mut State, wasm: &Wasm<'_>) -> String {
        state.ready += wasm.indexes().len();
        let (ready, all) = (state.ready, self.components);
        let ms = self.began.elapsed().as_millis();
        self.tell(state);
        format!("{ready} of {all} components in {ms} ms")
    }

    /// Says how far it is. The caller holds the state, so that nothing older is said later.
    fn tell(&self, state: &State) {
        let (ready, all) = (state.ready, self.components);
        let verb = if ready == 1 { "is" } else { "are" };
        let mut clause =
            format!("the components are being compiled: {ready} of {all} {verb} ready");
        let under_way = state.under_way.iter().map(|one| one.subject.as_str());
        let under_way = under_way.collect::<Vec<_>>().join(", ");
        if !under_way.is_empty() {
            clause = format!("{clause}, and the host works on {under_way}");
        }
        (self.tell)(clause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::tests::application;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn what_takes_long_is_named_again_and_again_until_it_is_done() {
        let (_folder, application) = application(&[("a", "one"), ("b", "two"), ("c", "two")]);
        let all = Wasm::of(&application).expect("files that can be read");
        let (say, said) = mpsc::channel();
        let say = move |line| say.send(line).expect("a reader");
        let told = Mutex::new(Vec::new());
        let tell = |clause| told.lock().push(clause);
        Progress::said(3, Duration::from_millis(1), say, &tell, |progress| {
            let compiled = progress.compiled(&all[1], || {
                for _ in 0..2 {
                    let line = said.recv_timeout(PATIENCE).expect("a line");
                    let begin =
                        "the WebAssembly of the components 'b' and 'c' is being compiled, for ";
                    assert!(line.starts_with(begin), "{line}");
                }
                Ok::<_, ()>("code")
            });
            assert_eq!(compiled, Ok("code"));
            assert_eq!(progress.under_way(), [""; 0]);
            assert_eq!(progress.state.lock().ready, 2);
            progress.loaded(&all[0]);
            assert_eq!(progress.state.lock().ready, 3);
        });
        let [begun, compiled, loaded] = told.into_inner().try_into().expect("three clauses");
        let so_far = "the components are being compiled";
        assert_eq!(
            begun,
            format!(
                "{so_far}: 0 of 3 are ready, and the host works on the WebAssembly of the components 'b' and 'c'"
            )
        );
        assert_eq!(compiled, format!("{so_far}: 2 of 3 are ready"));
        assert_eq!(loaded, format!("{so_far}: 3 of 3 are ready"));
    }

    #[test]
    fn what_cannot_be_compiled_is_not_ready() {
        let (_folder, application) = application(&[("a", "one")]);
        let all = Wasm::of(&application).expect("files that can be read");
        Progress::logged(1, &|_| {}, |progress| {
            assert_eq!(progress.compiled(&all[0], || Err::<(), _>("no")), Err("no"));
            assert_eq!(progress.under_way(), [""; 0]);
            assert_eq!(progress.state.lock().ready, 0);
        });
    }
}
