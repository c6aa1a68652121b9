//! Application variables as guests see them: `spin:variables@3.0.0`,
//! `fermyon:spin/variables@2.0.0` and `wasi:config/store`.

use wasmtime::component::{Accessor, HasSelf};

use super::bindings::{fermyon, spin, wasi};
use super::host_state::HostState;

/// Why a variable has no value.
enum NoVariable {
    InvalidName(String),
    Undefined(String),
}

/// The value of the variable `name` of the component that `state` is of.
fn lookup(state: &HostState, name: &str) -> Result<String, NoVariable> {
    if let Some(value) = state.grants.variables.get(name) {
        return Ok(value.clone());
    }
    // Spin's names: lower-case letters, digits and single underscores
    // between them, a letter first.
    let valid = name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('_')
        && !name.contains("__")
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    Err(if valid {
        NoVariable::Undefined(format!(
            "component '{}' has no variable '{name}'",
            state.grants.component
        ))
    } else {
        NoVariable::InvalidName(format!(
            "'{name}' is no variable name: use lower-case letters, digits and single \
             underscores, beginning with a letter"
        ))
    })
}

impl spin::variables::variables::Host for HostState {}

impl<T: Send + 'static> spin::variables::variables::HostWithStore<T> for HasSelf<HostState> {
    async fn get(
        accessor: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<String, spin::variables::variables::Error>> {
        use spin::variables::variables::Error;
        let value = accessor.with(|mut access| lookup(access.get(), &name));
        Ok(value.map_err(|error| match error {
            NoVariable::InvalidName(why) => Error::InvalidName(why),
            NoVariable::Undefined(why) => Error::Undefined(why),
        }))
    }
}

impl fermyon::spin::variables::Host for HostState {
    fn get(
        &mut self,
        name: String,
    ) -> wasmtime::Result<Result<String, fermyon::spin::variables::Error>> {
        use fermyon::spin::variables::Error;
        Ok(lookup(self, &name).map_err(|error| match error {
            NoVariable::InvalidName(why) => Error::InvalidName(why),
            NoVariable::Undefined(why) => Error::Undefined(why),
        }))
    }
}

impl wasi::config::store::Host for HostState {
    fn get(
        &mut self,
        key: String,
    ) -> wasmtime::Result<Result<Option<String>, wasi::config::store::Error>> {
        Ok(Ok(self.grants.variables.get(&key).cloned()))
    }

    fn get_all(
        &mut self,
    ) -> wasmtime::Result<Result<Vec<(String, String)>, wasi::config::store::Error>> {
        Ok(Ok(self
            .grants
            .variables
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()))
    }
}
