//! The lists of keys: the reader knows each key on them, and reads a value of the form that they name.

use super::super::keys::{CLUSTER, Key, PROVIDER, STORE, TOP};
use super::read;

/// Checks that a value of another type is refused in the words of the list. `before` begins the table.
fn assert_read(before: &str, keys: &[Key]) {
    for Key { name, form, .. } in keys {
        // No key has a date.
        let error = read(&format!("{before}{name} = 1979-05-27\n"))
            .unwrap_err()
            .to_string();
        let expected = format!("`{name}` must be {form}; it is of type datetime");
        assert!(error.contains(&expected), "{error}");
    }
}

#[test]
fn every_key_is_read_in_its_form() {
    let store = "[key_value_store.a]\n";
    let (kind, others) = STORE.split_first().expect("keys");
    assert_read(store, &[*kind]);
    assert_read(&format!("{store}type = \"local\"\n"), others);
    assert_read(&format!("{store}type = \"replicated\"\n"), &CLUSTER);
    let provider = "[[variables_provider]]\n";
    let [kind, values, prefix] = PROVIDER;
    assert_read(provider, &[kind]);
    assert_read(&format!("{provider}type = \"static\"\n"), &[values]);
    let prefixed = format!(
        "{provider}type = \"env\"\n{} = \"SPIN_VARIABLE\"\n",
        prefix.name
    );
    assert!(read(&prefixed).is_ok());
    let [stores, providers, memory] = TOP;
    assert_read("", &[stores, memory]);
    let error = read(&format!("{} = [1]\n", providers.name)).unwrap_err();
    let expected = format!("`{}` must be {}", providers.name, providers.form);
    assert!(error.to_string().contains(&expected), "{error}");
}
