//! Flags of `spin up` that mean nothing here. Each is refused by name, with the reason and what to do instead.
//!
//! They are declared to `clap`, hidden, so that it finds them in every spelling (`--flag=value`, `-qL value`).

use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// A flag that is refused.
struct Refused {
    long: &'static str,
    alias: Option<&'static str>,
    short: Option<char>,
    reason: &'static str,
}

const fn refused(long: &'static str, reason: &'static str) -> Refused {
    Refused {
        long,
        alias: None,
        short: None,
        reason,
    }
}

const LOG_FILES: &str = "what components print goes to the log on standard error, not to files; redirect that, or drop it with --quiet";
const PLUMBING: &str =
    "it is internal to Spin, between `spin` and its trigger processes; there are none here";

/// Every flag of `spin up` 4 that [`super::UpArgs`] does not take.
const REFUSED: &[Refused] = &[
    refused(
        "profile",
        "build profiles are not supported; components run from the `source` that the manifest names",
    ),
    Refused {
        alias: Some("tmp"),
        ..refused(
            "temp",
            "the components' files are kept in the system's temporary folder; set TMPDIR to move it",
        )
    },
    refused(
        "direct-mounts",
        "components see a copy of their files made at the start; start again after changing them",
    ),
    refused(
        "allow-transient-write",
        "the files of a component are read-only; keep what it writes in a key-value store",
    ),
    Refused {
        short: Some('L'),
        ..refused("log-dir", LOG_FILES)
    },
    refused("truncate-logs", LOG_FILES),
    refused(
        "follow",
        "the output of every component is logged, with its id in the field `component`; drop all of it with --quiet",
    ),
    refused(
        "state-dir",
        "nothing is kept on disk: the key-value stores are in memory",
    ),
    refused(
        "key-value",
        "a store is shared and in memory, and starts empty; write to it through the application",
    ),
    refused(
        "sqlite",
        "SQLite databases are not supported; use a key-value store",
    ),
    refused(
        "cache",
        "it names a configuration file of Wasmtime's cache; name a folder with --cache-dir, or none with --disable-cache",
    ),
    refused(
        "disable-pooling",
        "instances always come from a pool, which is what bounds their memory; set that with --max-instance-memory",
    ),
    refused(
        "debug-info",
        "components are compiled without what a native debugger needs; have them print what you want to know, which is logged",
    ),
    refused(
        "experimental-wasm-feature",
        "experimental WebAssembly features are not supported",
    ),
    refused(
        "experimental-wasi-otel",
        "the experimental wasi:otel interface is not supported",
    ),
    refused("help-args-only", PLUMBING),
    refused("launch-metadata-only", PLUMBING),
    refused("resolve-extras-only", PLUMBING),
    refused("resolve-extras-component-id", PLUMBING),
];

/// The flags, with their short form if they have one, and why each is refused.
pub(super) fn reasons() -> impl Iterator<Item = (String, &'static str)> {
    REFUSED.iter().map(|flag| (flag.spelled(), flag.reason))
}

impl Refused {
    /// As in `-L/--log-dir`.
    fn spelled(&self) -> String {
        let short = self.short.map(|short| format!("-{short}/"));
        format!("{}--{}", short.unwrap_or_default(), self.long)
    }
}

/// Environment variables that stand for flags of `spin up` above, and those flags.
const IGNORED_ENVIRONMENT: &[(&str, &str)] = &[
    ("SPIN_LOG_DIR", "log-dir"),
    ("WASMTIME_CACHE_FILE", "cache"),
];

/// Environment variables that have `spin up` export what it traces, counts and logs. SpinKube sets them where its executor
/// is told to.
const IGNORED_EXPORTERS: &[&str] = &[
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
];
const EXPORTS: &str = "nothing is exported over OTLP; metrics are for Prometheus to read at /metrics of --admin-listen, and \
                       the log is on standard error";

/// What to warn about at the start: environment variables that are set, that `spin up` reads, and that change nothing here.
/// They are no errors, because whoever set them may have meant another program.
pub fn ignored_environment(is_set: impl Fn(&str) -> bool) -> Vec<String> {
    let reason = |long| {
        REFUSED
            .iter()
            .find(|flag| flag.long == long)
            .map_or("", |flag| flag.reason)
    };
    let flags = IGNORED_ENVIRONMENT.iter();
    let flags = flags.map(|(name, flag)| (*name, reason(*flag)));
    let exporters = IGNORED_EXPORTERS.iter().map(|name| (*name, EXPORTS));
    flags
        .chain(exporters)
        .filter(|(name, _)| is_set(name))
        .map(|(name, reason)| format!("{name} is set and means nothing here: {reason}"))
        .collect()
}

/// An argument without a flag, which only ever is a mistake.
const STRAY: &str = "stray";

/// Declares the flags to the command. What follows one is its own, so that it is not what `clap` complains about.
pub(super) fn add_to(mut command: Command) -> Command {
    for flag in REFUSED {
        let mut arg = Arg::new(flag.long)
            .long(flag.long)
            .hide(true)
            .num_args(0..)
            .action(ArgAction::Append)
            .value_parser(ValueParser::os_string());
        if let Some(alias) = flag.alias {
            arg = arg.alias(alias);
        }
        if let Some(short) = flag.short {
            arg = arg.short(short);
        }
        command = command.arg(arg);
    }
    command.arg(Arg::new(STRAY).hide(true).num_args(0..))
}

/// Refuses the first of the flags that was given.
pub(super) fn check(matches: &ArgMatches) -> Result<(), clap::Error> {
    if let Some(flag) = REFUSED.iter().find(|flag| matches.contains_id(flag.long)) {
        let message = format!("`{}` means nothing here: {}\n", flag.spelled(), flag.reason);
        return Err(clap::Error::raw(ErrorKind::UnknownArgument, message));
    }
    if let Some(stray) = matches
        .get_many::<String>(STRAY)
        .and_then(|mut values| values.next())
    {
        let message =
            format!("unexpected argument {stray:?}; did you mean `spindrift up --from {stray}`?\n");
        return Err(clap::Error::raw(ErrorKind::UnknownArgument, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command::parse_without_environment as parse;

    fn refusal(arguments: &[&str]) -> String {
        let error = parse(["spindrift", "up"].iter().chain(arguments)).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{arguments:?}");
        error.to_string()
    }

    #[test]
    fn every_flag_is_refused_by_name_with_its_reason() {
        for flag in REFUSED {
            let long = format!("--{}", flag.long);
            let mut spellings = vec![
                vec![long.clone()],
                vec![format!("{long}=x")],
                vec![long.clone(), "x".into()],
            ];
            spellings.extend(
                flag.alias
                    .map(|alias| vec![format!("--{alias}"), "x".into()]),
            );
            if let Some(short) = flag.short {
                spellings.extend([
                    vec![format!("-{short}")],
                    vec![format!("-{short}x")],
                    vec![format!("-q{short}"), "x".into()],
                ]);
            }
            for spelling in spellings {
                let arguments: Vec<&str> = spelling.iter().map(String::as_str).collect();
                let message = refusal(&arguments);
                assert!(
                    message.contains(&format!("{long}` means nothing here: {}", flag.reason)),
                    "{spelling:?}: {message}"
                );
                // Other flags around it change nothing.
                let around: Vec<&str> =
                    [&["--listen", "127.0.0.1:0"], &arguments[..], &["--build"]].concat();
                assert!(refusal(&around).contains(flag.reason), "{around:?}");
            }
        }
    }

    /// The flags of `spin up` 4.0 (common, trigger and HTTP trigger options): each must be taken or refused by name.
    #[test]
    fn no_flag_of_spin_up_is_unknown() {
        let spin = "from from-file file from-registry profile insecure env temp tmp cache-dir direct-mounts build component-id \
                    log-dir truncate-logs disable-cache cache disable-pooling follow quiet sh shush runtime-config-file \
                    debug-info experimental-wasm-feature state-dir listen tls-cert tls-key http1-max-buf-size find-free-port format \
                    max-instance-reuse-count max-instance-concurrent-reuse-count request-timeout idle-instance-timeout \
                    allow-transient-write experimental-wasi-otel key-value sqlite max-instance-memory variable help-args-only \
                    launch-metadata-only resolve-extras-only resolve-extras-component-id help";
        for flag in spin.split_whitespace() {
            let message = parse(["spindrift", "up", &format!("--{flag}"), "--no-such-flag"])
                .unwrap_err()
                .to_string();
            assert!(
                !message.contains(&format!("unexpected argument '--{flag}'")),
                "{flag}: {message}"
            );
        }
        assert!(refusal(&["--no-such-flag"]).contains("unexpected argument '--no-such-flag'"));
    }

    #[test]
    fn variables_that_change_nothing_are_named_if_they_are_set() {
        let warnings = ignored_environment(|name| name == "SPIN_LOG_DIR");
        assert_eq!(
            warnings,
            [format!(
                "SPIN_LOG_DIR is set and means nothing here: {LOG_FILES}"
            )]
        );
        for warning in ignored_environment(|_| true) {
            assert!(!warning.ends_with(": "), "{warning}");
        }
        let warnings = ignored_environment(|name| name.starts_with("OTEL_"));
        assert_eq!(warnings.len(), IGNORED_EXPORTERS.len());
    }

    #[test]
    fn an_argument_without_a_flag_is_asked_about() {
        assert!(refusal(&["app"]).contains("did you mean `spindrift up --from app`?"));
    }
}
