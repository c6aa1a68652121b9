//! Applications from a registry, and into one: Debian's `docker-registry` on loopback. And components from web servers.
//!
//! | module | subject |
//! | --- | --- |
//! | [`server`] | a registry as a process, and what is on its disk |
//! | [`artifacts`] | artifacts made by hand, as Spin and others make them |
//! | [`push_and_pull`] | what is pushed runs as it does from its manifest |
//! | [`spin_format`] | what is pushed is what Spin reads |
//! | [`changed`] | layers and manifests that are not what they should be |
//! | [`other_artifacts`] | what is no application, or none that can be run |
//! | [`docker`] | Docker configurations and credential helpers |
//! | [`http_server`] | HTTP servers of a test's own |
//! | [`token_service`] | one that gives tokens for a registry |
//! | [`access`] | passwords, TLS, and registries that are not there |
//! | [`tokens`] | registries that a token service lets users into |
//! | [`realms`] | where credentials go, and where they do not |
//! | [`long_push`] | a token is replaced while it is in use |
//! | [`slow`] | what is answered while a registry takes its time |
//! | [`cache`] | what is kept between starts |
//! | [`downloads`] | components whose WebAssembly is downloaded from a URL |

mod access;
mod artifacts;
mod cache;
mod changed;
mod docker;
mod downloads;
mod http_server;
mod long_push;
mod other_artifacts;
mod push_and_pull;
mod realms;
mod server;
mod slow;
mod spin_format;
mod token_service;
mod tokens;

use std::process::Output;

use server::Server;
use tempfile::TempDir;

use crate::harness::{App, HostCommand, Refusal, STORE, assert_said_once, command};

/// An application with files, a store, a variable and a static response.
fn app() -> App {
    App::with_head(
        "[application]\nname = \"shipped\"\nversion = \"1.2.3\"\ndescription = \"for a registry\"\n\
         authors = [\"somebody\"]\n[variables]\nunused = { default = \"x\" }\n",
    )
    .guest(
        "env",
        "files = [\"small.txt\", { source = \"assets\", destination = \"/static\" }]\n\
         environment = { MODE = \"shipped\" }\ndescription = \"tells its surroundings\"",
    )
    .guest("kv3", STORE)
    .text("[[trigger.http]]\nroute = \"/gone\"\nstatic_response = { status_code = 410, body = \"gone\" }")
    .file("small.txt", "small")
    .file("assets/large.txt", large())
    .file("assets/deep/er/page.html", "<p>page</p>".repeat(50))
}

/// A file that is too large to be written into the locked application.
fn large() -> String {
    "large ".repeat(100)
}

/// `spindrift push` with these arguments, run to its end, with the Docker configuration in that folder.
fn push_with(app: &App, args: &[&str], docker: &TempDir) -> Output {
    command("push")
        .args(["-f", &app.write().to_string_lossy()])
        .args(args)
        .env("DOCKER_CONFIG", docker.path())
        .env("PATH", docker::path(docker))
        .output()
        .expect("the binary starts")
}

/// Pushes to a registry without TLS, and gives the reference with the digest.
///
/// # Panics
///
/// If it is not taken, with what was said instead.
fn push(app: &App, server: &Server, name: &str) -> String {
    let reference = server.reference(name);
    let output = push_with(app, &["--insecure", &reference], &docker::no_credentials());
    let printed = String::from_utf8_lossy(&output.stdout);
    let last = printed.lines().last().unwrap_or_default();
    assert!(
        output.status.success() && last.starts_with(&format!("{reference}@sha256:")),
        "{output:?}"
    );
    last.to_owned()
}

/// `spindrift up` on an application in a registry without TLS, with no credentials and a cache of its own.
fn up(reference: &str) -> HostCommand {
    let cache = tempfile::tempdir().expect("a temporary folder");
    up_with_cache(reference, cache.path()).keep(cache)
}

/// As [`up`], with that cache.
fn up_with_cache(reference: &str, cache: &std::path::Path) -> HostCommand {
    let docker = docker::no_credentials();
    HostCommand::bare()
        .args(&["-f", reference, "--insecure"])
        .args(&["--cache-dir", &cache.to_string_lossy()])
        .env("DOCKER_CONFIG", &docker.path().to_string_lossy())
        .keep(docker)
}

/// Checks that the host says all of `parts` and ends, without a panic.
fn assert_refused(command: HostCommand, parts: &[&str]) {
    let refusal: Refusal = command.refuse();
    assert_eq!(refusal.code, Some(1), "{refusal:?}");
    assert!(!refusal.stderr.contains("panicked"), "{refusal:?}");
    assert_says(&refusal.stderr, parts);
}

/// Checks that `push` said all of `parts` and pushed nothing.
fn assert_not_pushed(output: &Output, parts: &[&str]) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(output.stdout, b"");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_said_once(&said);
    assert_says(&said, parts);
}

/// Checks that all of `parts` are in what was said.
fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
}
