//! What the program says of itself: manual pages, and completions for shells.

use std::io::Read;
use std::process::{Command, Output, Stdio};

use crate::harness::command;

/// A command with an argument, to its end.
fn spindrift(name: &str, argument: &str) -> Output {
    command(name).arg(argument).output().expect("it starts")
}

/// What a command prints.
fn printed(name: &str, argument: &str) -> String {
    let output = spindrift(name, argument);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// Runs Bash without anyone's settings.
fn bash(arguments: &[&str]) -> String {
    let output = Command::new("bash")
        .args(["--noprofile", "--norc"])
        .args(arguments)
        .output()
        .expect("bash");
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("spindrift.bash");
    std::fs::write(&file, printed("completions", "bash")).expect("written");
    let file = file.to_str().expect("a name");
    bash(&["-n", file]);
    // What Bash does for a word at the end of a line.
    let complete = "source \"$1\"; shift
        COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1))
        $(complete -p spindrift | sed 's/.*-F \\([^ ]*\\).*/\\1/') spindrift \"${!#}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"
        echo \"${COMPREPLY[*]}\"";
    for (words, expected) in [
        (&["rec"][..], "recover"),
        (&["up", "--peer-l"], "--peer-listen"),
        (&["up", "--log-format", "j"], "json"),
        (&["completions", "po"], "powershell"),
    ] {
        let line = ["-c", complete, "bash", file, "spindrift"];
        let completed = bash(&[&line, words].concat());
        assert_eq!(completed.trim_end(), expected, "{words:?}");
    }
}

#[test]
fn there_are_completions_for_five_shells_and_no_others() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed("completions", shell);
        assert!(script.contains("peer-listen"), "{shell}: {script}");
    }
    let refused = spindrift("completions", "csh");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(
        stderr.contains("csh") && stderr.contains("bash"),
        "{stderr}"
    );
}

#[test]
fn a_manual_page_has_every_flag_and_variable_of_its_command() {
    // Roff has a hyphen of its own.
    let page = printed("man", "up").replace("\\-", "-");
    assert!(page.contains(".TH spindrift-up 1"), "{page}");
    let help = printed("up", "--help");
    let flags = help.split_whitespace().filter_map(|word| {
        let flag = word.strip_suffix(',').unwrap_or(word);
        (flag.starts_with("--") && help.contains(&format!("{flag} <"))).then_some(flag)
    });
    let variables = help.split("[env: ").skip(1).map(|rest| {
        let end = rest.find(['=', ']']).expect("an end");
        &rest[..end]
    });
    let (flags, variables): (Vec<_>, Vec<_>) = (flags.collect(), variables.collect());
    assert!(flags.len() > 40 && variables.len() > 40);
    for part in flags.into_iter().chain(variables) {
        assert!(page.contains(part), "{part}: {page}");
    }
    for hidden in ["--from-file", "--log-dir"] {
        assert!(!page.contains(hidden), "{hidden}");
    }
}

#[test]
fn the_page_of_the_program_names_the_pages_of_its_commands() {
    let output = command("man").output().expect("it starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let page = String::from_utf8(output.stdout).expect("text");
    let page = page.replace("\\-", "-");
    let named: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("spindrift-")?.strip_suffix("(1)"))
        .collect();
    assert!(named.contains(&"up"), "{page}");
    for command in named {
        printed("man", command);
    }
    let refused = spindrift("man", "down");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
}

#[test]
fn a_reader_that_stops_reading_is_no_error() {
    for (name, argument) in [("man", "up"), ("completions", "zsh")] {
        let mut child = command(name)
            .arg(argument)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        // The pipe has nobody at its other end, as after `| head -0`.
        drop(child.stdout.take());
        let mut stderr = String::new();
        let mut pipe = child.stderr.take().expect("piped");
        pipe.read_to_string(&mut stderr).expect("text");
        let status = child.wait().expect("it ends");
        assert_eq!((status.code(), stderr.as_str()), (Some(0), ""), "{name}");
    }
}
