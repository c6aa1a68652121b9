//! Booleans: every argument that has one as its value, or as that of its environment variable, takes the same words.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command, CommandFactory};

use crate::cli::Cli;

/// The arguments of a command and of those below it that read a boolean.
fn switches(command: &Command) -> Vec<&Arg> {
    let own = command.get_arguments().filter(|arg| {
        let is_boolean = arg.get_value_parser().type_id() == ValueParser::bool().type_id();
        is_boolean && (arg.get_env().is_some() || arg.get_action().takes_values())
    });
    let below = command.get_subcommands().flat_map(switches);
    own.chain(below).collect()
}

/// What the argument makes of `value`.
fn read(arg: &Arg, value: &str) -> Result<bool, clap::Error> {
    let alone = Arg::new("it")
        .long("it")
        .action(ArgAction::Set)
        .value_parser(arg.get_value_parser().clone());
    let command = Command::new("command").arg(alone);
    let matches = command.try_get_matches_from(["command", &format!("--it={value}")])?;
    Ok(*matches.get_one("it").expect("a value"))
}

#[test]
fn every_boolean_takes_the_same_words() {
    let command = Cli::command();
    let switches = switches(&command);
    let ids: Vec<_> = switches.iter().map(|arg| arg.get_id().as_str()).collect();
    for known in [
        "build",
        "disable_cache",
        "replicated",
        "bootstrap",
        "read_lease",
    ] {
        assert!(ids.contains(&known), "{known}: {ids:?}");
    }
    for arg in switches {
        for (words, expected) in [
            (["1", "true", "yes", "on"], true),
            (["0", "false", "no", "off"], false),
        ] {
            for word in words {
                for word in [word.to_owned(), word.to_uppercase()] {
                    let read = read(arg, &word);
                    assert_eq!(read.ok(), Some(expected), "{}: {word}", arg.get_id());
                }
            }
        }
        let refused = read(arg, "maybe").expect_err("no boolean").to_string();
        assert!(refused.contains("\"maybe\""), "{}: {refused}", arg.get_id());
    }
}
