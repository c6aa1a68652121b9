//! Docker configurations: folders with a `config.json`, and credential helpers.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::up;
use crate::harness::HostCommand;

/// One without credentials.
pub fn no_credentials() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// One with that text.
pub fn with(config: &str) -> TempDir {
    let folder = no_credentials();
    std::fs::write(folder.path().join("config.json"), config).expect("the Docker configuration");
    folder
}

/// One with a user of the registry at `address` and a password.
pub fn with_password(address: &str, (user, password): (&str, &str)) -> TempDir {
    with(&format!(
        r#"{{"auths": {{"{address}": {{"username": "{user}", "password": "{password}"}}}}}}"#
    ))
}

/// One with an identity token for the registry at `address`.
pub fn with_identity_token(address: &str, token: &str) -> TempDir {
    with(&format!(
        r#"{{"auths": {{"{address}": {{"identitytoken": "{token}"}}}}}}"#
    ))
}

/// One that names a credential helper, a program in the same folder, which has that for the registry at `address`.
pub fn with_helper(address: &str, (user, secret): (&str, &str)) -> TempDir {
    let folder = with(&format!(r#"{{"credHelpers": {{"{address}": "test"}}}}"#));
    let helper = folder.path().join("docker-credential-test");
    let answer = format!(r#"{{"Username": "{user}", "Secret": "{secret}"}}"#);
    let program =
        format!("#!/bin/sh\nread -r server\n[ \"$server\" = {address} ] && echo '{answer}'\n");
    std::fs::write(&helper, program).expect("a program");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(helper, mode).expect("an executable file");
    folder
}

/// The `PATH` with the helpers of that folder.
pub fn path(folder: &TempDir) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", folder.path().display())
}

/// `spindrift up` on an application in a registry without TLS, with that Docker configuration.
pub fn up_as(reference: &str, docker: TempDir) -> HostCommand {
    up(reference)
        .env("DOCKER_CONFIG", &docker.path().to_string_lossy())
        .env("PATH", &path(&docker))
        .keep(docker)
}
