//! The keys of the runtime configuration.

use clap::{Arg, Command};

use super::commands::Explained;
use super::markdown::{flags_as_code, table};
use crate::runtime_config::keys::{CLUSTER, Key, PROVIDER, STORE, TOP};
use crate::runtime_config::settings::{REFUSED, UNUSED};

const EXAMPLE: &str = r#"[key_value_store.default]
type = "replicated"
max_value_size = "64KiB"
voters = 3
cluster_token_file = "/etc/spindrift/token"

[[variables_provider]]
type = "static"
values = { api_host = "api.example.com" }
"#;

const INTRODUCTION: &str = "\
`--runtime-config-file` names a TOML file in the form of Spin's runtime configuration. A key with the name of a flag means the \
same as the flag, has the same default, and wins over it; the flag's own section says more. `max_instance_memory` is an exception: \
the flag wins.

All keys but `type` may be left out, and the store `default` needs no table. A number or a boolean may be a string, as in `voters = \"3\"`. \
An unknown key is an error.
";

/// The section, with what the flags of `spindrift up` say of keys with the same name.
pub(super) fn section(program: &Command) -> String {
    let up = program.find_subcommand("up");
    let mut section =
        format!("\n## Runtime configuration\n\n{INTRODUCTION}\n```toml\n{EXAMPLE}```\n");
    for (heading, text, keys) in [
        ("Top level", "", &TOP[..]),
        (
            "Stores",
            "Keys of `[key_value_store.LABEL]`, whatever its type.",
            &STORE[..],
        ),
        (
            "Replicated stores",
            "More keys of `[key_value_store.LABEL]`, for the type `\"replicated\"`. All stores are local, or all are replicated \
             and share one cluster. So a key of one store holds for all, and two stores may not give it different values.",
            &CLUSTER[..],
        ),
        (
            "Variables providers",
            "Keys of `[[variables_provider]]`. `--variable` wins over all providers, and a provider wins over \
             `SPIN_VARIABLE_NAME`.",
            &PROVIDER[..],
        ),
    ] {
        section.push_str(&format!("\n### {heading}\n\n"));
        if !text.is_empty() {
            section.push_str(&format!("{text}\n\n"));
        }
        let rows = keys.iter().map(|key| row(up, key));
        section.push_str(&table(&["key", "value", "default", "meaning"], rows));
    }
    section.push_str(&settings());
    section
}

fn row(up: Option<&Command>, key: &Key) -> [String; 4] {
    let flag = up.and_then(|up| flag(up, key.name)).map(Explained::of);
    let (default, meaning) = match (key.meaning, flag) {
        (Some(meaning), _) => (String::new(), meaning.to_owned()),
        (None, Some(flag)) => (flag.default, first_sentence(&flag.meaning)),
        (None, None) => Default::default(),
    };
    let form = flags_as_code(key.form);
    [format!("`{}`", key.name), form, default, meaning]
}

/// The flag with the same meaning as a key.
fn flag<'c>(up: &'c Command, key: &str) -> Option<&'c Arg> {
    let long = key.replace('_', "-");
    up.get_arguments()
        .find(|arg| arg.get_long() == Some(long.as_str()))
}

fn first_sentence(text: &str) -> String {
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text.to_owned(),
    }
}

fn settings() -> String {
    let refused = REFUSED.iter().map(|setting| (setting, "refused"));
    let unused = UNUSED
        .iter()
        .map(|setting| (setting, "ignored, with a warning"));
    let rows = refused.chain(unused).map(|((name, reason), fate)| {
        [format!("`{name}`"), fate.to_owned(), flags_as_code(reason)]
    });
    "\n### Other settings of Spin\n\n".to_owned() + &table(&["key", "here", "reason"], rows)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::command::parse_without_environment;
    use crate::cli::{self, Cli};
    use crate::runtime_config::RuntimeConfig;

    #[test]
    fn every_key_has_a_meaning() {
        let program = Cli::command();
        let up = program.find_subcommand("up");
        for key in [&TOP[..], &STORE, &CLUSTER, &PROVIDER].concat() {
            let [_, _, _, meaning] = row(up, &key);
            assert!(!meaning.is_empty(), "{key:?}");
        }
    }

    #[test]
    fn the_example_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("runtime-config.toml");
        std::fs::write(&file, EXAMPLE).unwrap();
        let arguments = ["spindrift", "up"];
        let cli::Command::Up(up) = parse_without_environment(arguments).unwrap().command else {
            unreachable!("it is `up`")
        };
        let defaults = up.store_defaults();
        let config = RuntimeConfig::load(Some(Path::new(&file)), &defaults).unwrap();
        assert!(config.is_replicated());
        assert_eq!(config.variables["api_host"], "api.example.com");
    }
}
