//! What a runtime configuration may say, and the words for what it may not.

mod keys;
mod replication;
mod settings;

use std::path::Path;

use super::document::Document;
use super::{ReadConsistency, RuntimeConfig, RuntimeConfigError, StoreConfig, StoreKind};

fn defaults() -> StoreConfig {
    StoreConfig {
        kind: StoreKind::Local,
        max_key_bytes: 10,
        max_value_bytes: 20,
        max_total_bytes: Some(30),
        read_consistency: ReadConsistency::Linearizable,
    }
}

fn read(text: &str) -> Result<RuntimeConfig, RuntimeConfigError> {
    let path = Path::new("rc.toml");
    RuntimeConfig::read(Document { path, text }, &defaults())
}

#[test]
fn without_a_file_there_is_the_default_store() {
    let config = RuntimeConfig::load(None, &defaults()).unwrap();
    assert_eq!(
        config.key_value_stores.into_iter().collect::<Vec<_>>(),
        [("default".to_owned(), defaults())]
    );
    assert!(config.variables.is_empty());
}

#[test]
fn options_override_the_defaults_one_by_one() {
    let config = read(
        "[key_value_store.default]\ntype = \"local\"\nmax_value_size = \"2MiB\"\n\
         [key_value_store.cache]\ntype = \"local\"\nmax_key_size = 0x40\nmax_total_size = \"5000000000\"\nread_consistency = \"stale\"\n",
    )
    .unwrap();
    let expected = StoreConfig {
        max_value_bytes: 2 << 20,
        ..defaults()
    };
    assert_eq!(config.key_value_stores["default"], expected);
    let expected = StoreConfig {
        max_key_bytes: 64,
        max_total_bytes: Some(5_000_000_000),
        read_consistency: ReadConsistency::Stale,
        ..defaults()
    };
    assert_eq!(config.key_value_stores["cache"], expected);
    assert_eq!(config.largest_value(), 2 << 20);
}

#[test]
fn the_default_store_is_there_beside_others() {
    let config = read("key_value_store = { cache = { type = \"local\" } }").unwrap();
    assert_eq!(
        config.key_value_stores.keys().collect::<Vec<_>>(),
        ["cache", "default"]
    );
}

#[test]
fn variables_come_from_static_providers_and_earlier_ones_win() {
    for section in ["variables_provider", "config_provider"] {
        let config = read(&format!(
            "[[{section}]]\ntype = \"env\"\nprefix = \"SPIN_VARIABLE_\"\n\
             [[{section}]]\ntype = \"static\"\nvalues = {{ a = \"first\", b = \"b\" }}\n\
             [[{section}]]\ntype = \"static\"\nvalues = {{ a = \"second\", c = \"c\" }}\n"
        ))
        .unwrap();
        let pairs: Vec<_> = config
            .variables
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(pairs, [("a", "first"), ("b", "b"), ("c", "c")]);
        assert!(!format!("{config:?}").contains("first"));
    }
}

#[test]
fn faults_have_a_line_and_name_what_is_wrong() {
    let cases: &[(&str, usize, &[&str])] = &[
        ("[key_value_store.default", 1, &["not TOML"]),
        ("a = 1\n\nb =\n", 3, &["not TOML"]),
        (
            "[key_value_store.default]\ntype = \"local\"\n[key_value_store.default]\n",
            3,
            &["not TOML", "duplicate"],
        ),
        (
            "# stores\nkey_value_store = 1\n",
            2,
            &["`key_value_store` must be a table", "integer"],
        ),
        (
            "[key_value_store]\ndefault = \"local\"\n",
            2,
            &["`key_value_store.default` must be a table", "string"],
        ),
        (
            "\n[key_value_store.default]\nmax_key_size = 1\n",
            2,
            &["[key_value_store.default] has no `type`"],
        ),
        (
            "[key_value_store.default]\ntype = 1\n",
            2,
            &["`type` must be a string"],
        ),
        (
            "[key_value_store.default]\ntype = \"spin\"\n",
            2,
            &["\"spin\" (a SQLite file)", "type = \"local\""],
        ),
        (
            "[key_value_store.a]\nurl = \"u\"\ntype = \"redis\"\n",
            3,
            &["\"redis\" are not supported", "type = \"local\""],
        ),
        (
            "[key_value_store.a]\ntype = \"azure_cosmos\"\n",
            2,
            &["\"azure_cosmos\" are not supported"],
        ),
        (
            "[key_value_store.a]\ntype = \"aws_dynamo\"\n",
            2,
            &["\"aws_dynamo\" are not supported"],
        ),
        (
            "[key_value_store.a]\ntype = \"Local\"\n",
            2,
            &["unknown type \"Local\"", "type = \"local\""],
        ),
        (
            "[key_value_store.a]\ntype = \"local\"\n\npath = \"x\"\n",
            4,
            &[
                "unknown key `path` in [key_value_store.a]",
                "max_value_size",
            ],
        ),
        (
            "[key_value_store.a]\ntype = \"local\"\nmax_key_size = -1\n",
            3,
            &["`max_key_size`", "-1 is not a size"],
        ),
        (
            "[key_value_store.a]\ntype = \"local\"\nmax_key_size = 0\n",
            3,
            &["`max_key_size`", "at least 1 byte"],
        ),
        (
            "[key_value_store.a]\ntype = \"local\"\nmax_value_size = \"1x\"\n",
            3,
            &["`max_value_size`", "\"1x\" is not a size"],
        ),
        (
            "[key_value_store.a]\ntype = \"local\"\nmax_total_size = 1.5\n",
            3,
            &["`max_total_size` must be a size", "float"],
        ),
        (
            "[key_value_store.a]\ntype = \"local\"\nread_consistency = \"eventual\"\n",
            3,
            &["\"linearizable\" or \"stale\", not \"eventual\""],
        ),
        (
            "[variables_provider]\ntype = \"static\"\n",
            1,
            &["[[variables_provider]]"],
        ),
        (
            "[[config_provider]]\nvalues = {}\n",
            1,
            &["[[config_provider]] has no `type`"],
        ),
        (
            "variables_provider = [\n 1,\n]\n",
            2,
            &["`variables_provider` must be a table"],
        ),
        (
            "[[variables_provider]]\ntype = \"vault\"\ntoken = \"t\"\n",
            2,
            &["\"vault\" are not supported", "SPIN_VARIABLE_<NAME>"],
        ),
        (
            "[[variables_provider]]\ntype = \"azure_key_vault\"\n",
            2,
            &["\"azure_key_vault\" are not supported"],
        ),
        (
            "[[variables_provider]]\ntype = \"file\"\n",
            2,
            &["unknown type \"file\""],
        ),
        (
            "[[variables_provider]]\ntype = \"static\"\npath = \"x\"\n",
            3,
            &["unknown key `path` in [[variables_provider]]"],
        ),
        (
            "[[variables_provider]]\ntype = \"env\"\nprefix = \"MY_APP\"\n",
            3,
            &["`prefix` in [[variables_provider]]"],
        ),
        (
            "[[variables_provider]]\ntype = \"env\"\ndotenv_path = \".env\"\n",
            3,
            &["`dotenv_path`"],
        ),
        (
            "[[config_provider]]\ntype = \"env\"\n[[variables_provider]]\ntype = \"env\"\n",
            1,
            &["older name", "use one"],
        ),
        (
            "\nkey_value_stores = {}\n",
            2,
            &[
                "unknown key `key_value_stores`",
                "key_value_store, variables_provider and",
            ],
        ),
    ];
    for (text, line, parts) in cases {
        let error = read(text).expect_err(text).to_string();
        assert!(
            error.starts_with(&format!("rc.toml:{line}: ")),
            "{text:?}: {error}"
        );
        for part in *parts {
            assert!(error.contains(part), "{text:?}: {error:?} lacks {part:?}");
        }
    }
}

#[test]
fn secrets_stay_out_of_errors() {
    for text in [
        "[[variables_provider]]\ntype = \"static\"\nvalues = { password = [\"hunter2\"] }\n",
        "[[variables_provider]]\ntype = \"static\"\nvalues = \"hunter2\"\n",
        "[[variables_provider]]\ntype = \"vault\"\ntoken = \"hunter2\"\n",
        "[[variables_provider]]\ntype = \"static\"\nvalues = { password = \"hunter2\" \n",
    ] {
        let error = read(text).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn labels_of_components_find_their_stores_or_are_named_with_the_lines_to_add() {
    let config = read("[key_value_store.cache]\ntype = \"local\"\n").unwrap();
    let stores = config
        .stores_for([("get", "default"), ("put", "cache"), ("put", "default")])
        .unwrap();
    assert_eq!(stores.keys().collect::<Vec<_>>(), ["cache", "default"]);
    assert_eq!(config.stores_for([]).unwrap().len(), 0);

    let error = config
        .stores_for([("get", "default"), ("put", "sessions")])
        .unwrap_err()
        .to_string();
    for part in [
        "\"put\"",
        "\"sessions\"",
        "rc.toml",
        "[key_value_store.sessions]\ntype = \"local\"\n",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let config = RuntimeConfig::load(None, &defaults()).unwrap();
    let error = config
        .stores_for([("put", "my store")])
        .unwrap_err()
        .to_string();
    for part in ["--runtime-config-file", "[key_value_store.\"my store\"]\n"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn the_lines_to_add_are_enough() {
    for label in ["sessions", "my store", "a.b", "quo\"te", "ключ", ""] {
        let error = read("")
            .unwrap()
            .stores_for([("put", label)])
            .unwrap_err()
            .to_string();
        let lines = error.split_once("\n\n").unwrap().1;
        assert!(
            read(lines).unwrap().stores_for([("put", label)]).is_ok(),
            "{lines}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = RuntimeConfig::load(Some(Path::new("/no/such/rc.toml")), &defaults())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("/no/such/rc.toml") && error.contains("No such file"),
        "{error}"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[key_value_store.default]\ntype = \"loca\"\n").unwrap();
    let error = RuntimeConfig::load(Some(file.path()), &defaults())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&format!("{}:2: ", file.path().display())),
        "{error}"
    );
}
