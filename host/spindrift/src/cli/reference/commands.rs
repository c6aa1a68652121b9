//! The commands and their flags, as `clap` knows them.

use clap::{Arg, Command};

use super::markdown::{flags_as_code, sentence, table};

/// What `clap` adds to every command.
const EVERYWHERE: [&str; 2] = ["help", "version"];

/// The section on all commands of a program that is built.
pub(super) fn section(program: &Command) -> String {
    let commands: Vec<_> = shown(program).collect();
    let list = commands.iter().map(|command| {
        let name = format!("{} {}", program.get_name(), command.get_name());
        let anchor = name.replace(' ', "-");
        let about = command.get_about().map(ToString::to_string);
        [
            format!("[`{name}`](#{anchor})"),
            sentence(&about.unwrap_or_default()),
        ]
    });
    let mut section = "## Commands\n\n".to_owned();
    section.push_str(&table(&["command", "what it does"], list));
    section.push_str(
        "\n`--help` after a command prints its flags, and `-h` a short form of that. `spindrift --version` prints the version.\n\n\
         A flag wins over its environment variable, and an empty variable counts as none. A variable for a flag without a value \
         is `true`, `yes`, `on` or `1`, or `false`, `no`, `off` or `0`.\n\n\
         A DURATION is a whole number of seconds, or a whole number with `s`, `ms`, `us` or `ns`. A SIZE is a number of bytes, or \
         a number with `Ki`, `Mi`, `Gi` or `Ti` (powers of 1024) or `k`, `M`, `G` or `T` (powers of 1000); a `B` may follow.\n",
    );
    for command in commands {
        section.push_str(&one(program, command));
    }
    section
}

/// The commands that help shows, but for `help` itself.
fn shown(program: &Command) -> impl Iterator<Item = &Command> {
    let commands = program.get_subcommands();
    commands.filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn one(program: &Command, command: &Command) -> String {
    let mut text = format!("\n### {} {}\n\n", program.get_name(), command.get_name());
    let about = command.get_long_about().or(command.get_about());
    if let Some(about) = about {
        for paragraph in about.to_string().split("\n\n") {
            text.push_str(&format!("{}\n\n", sentence(paragraph)));
        }
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    text.push_str(&format!("```\n{usage}\n```\n"));
    let arguments: Vec<_> = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && !EVERYWHERE.contains(&arg.get_id().as_str()))
        .collect();
    let mut headings: Vec<Option<&str>> = Vec::new();
    for arg in &arguments {
        if !headings.contains(&arg.get_help_heading()) {
            headings.push(arg.get_help_heading());
        }
    }
    for heading in headings {
        text.push('\n');
        if let Some(heading) = heading {
            text.push_str(&format!("#### {heading}\n\n"));
        }
        let rows = arguments
            .iter()
            .filter(|arg| arg.get_help_heading() == heading);
        let header = ["flag", "default", "environment variable", "meaning"];
        text.push_str(&table(&header, rows.map(|arg| row(arg))));
    }
    if let Some(after) = command.get_after_help() {
        text.push_str(&format!("\n{}\n", flags_as_code(&after.to_string())));
    }
    text
}

fn row(arg: &Arg) -> [String; 4] {
    let explained = Explained::of(arg);
    let variable = arg.get_env().and_then(|name| name.to_str());
    [
        spelled(arg),
        explained.default,
        variable.map(|name| format!("`{name}`")).unwrap_or_default(),
        explained.meaning,
    ]
}

/// How the argument is written, as in `-f`, `--from APPLICATION`.
fn spelled(arg: &Arg) -> String {
    let takes_values = arg.get_action().takes_values();
    let names = arg.get_value_names().filter(|_| takes_values);
    let value = names.map(|names| names.join(" ")).unwrap_or_default();
    let Some(long) = arg.get_long() else {
        return format!("`{value}`");
    };
    let short = arg.get_short().map(|short| format!("`-{short}`, "));
    let flag = format!("--{long} {value}");
    format!("{}`{}`", short.unwrap_or_default(), flag.trim_end())
}

/// The help text of an argument, without the default that it may say in words.
pub(super) struct Explained {
    /// Empty where there is none.
    pub(super) default: String,
    pub(super) meaning: String,
}

impl Explained {
    pub(super) fn of(arg: &Arg) -> Self {
        let takes_values = arg.get_action().takes_values();
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let said = help.rsplit_once("[default: ");
        let said = said.and_then(|(help, default)| Some((help, default.strip_suffix(']')?)));
        let (help, default) = said.unwrap_or((&help, ""));
        let mut meaning = sentence(help.trim_end());
        let known: Vec<_> = arg
            .get_possible_values()
            .into_iter()
            .filter(|value| takes_values && !value.is_hide_set())
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        if !known.is_empty() {
            meaning.push_str(&format!(" One of {}.", known.join(", ")));
        }
        let values = arg.get_default_values().iter().filter(|_| takes_values);
        let values: Vec<_> = values.filter_map(|value| value.to_str()).collect();
        let default = match values.as_slice() {
            // A value is code, and what is said in words is not.
            [] if default.contains(' ') => flags_as_code(default),
            [] if default.is_empty() => String::new(),
            [] => format!("`{default}`"),
            values => format!("`{}`", values.join(",")),
        };
        Self { default, meaning }
    }
}
