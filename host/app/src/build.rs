//! Running the build commands of an application's components.

use std::process::Command;

use super::{AppError, Application, Build};

/// Runs the build commands of every component that has some, in the components' order, with this process's standard
/// streams. A list of commands that several components share (same text, same folder) runs once. `announce` is
/// given a line about each command before it runs.
///
/// # Errors
///
/// [`AppError::Build`] at the first command that cannot be started or fails; it names the component and the exit status.
pub fn build(application: &Application, mut announce: impl FnMut(&str)) -> Result<(), AppError> {
    let mut done: Vec<&Build> = Vec::new();
    for component in &application.components {
        let Some(build) = &component.build else {
            continue;
        };
        if done.contains(&build) {
            continue;
        }
        for command in &build.commands {
            announce(&format!(
                "Building component {} with `{command}`",
                component.id
            ));
            run(command, build).map_err(|fault| {
                AppError::Build(format!(
                    "component `{}`: its build command `{command}` {fault}",
                    component.id
                ))
            })?;
        }
        done.push(build);
    }
    Ok(())
}

fn run(command: &str, build: &Build) -> Result<(), String> {
    if !build.workdir.is_dir() {
        return Err(format!(
            "cannot run: there is no folder {}",
            build.workdir.display()
        ));
    }
    let (shell, flag) = if cfg!(windows) {
        ("cmd.exe", "/C")
    } else {
        ("sh", "-c")
    };
    let status = Command::new(shell)
        .arg(flag)
        .arg(command)
        .current_dir(&build.workdir)
        .status()
        .map_err(|error| format!("cannot be started with `{shell}`: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("failed ({status}) in {}", build.workdir.display()))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::load;

    fn application(root: &Path, components: &str) -> Application {
        let manifest = format!(
            "spin_manifest_version = 2\napplication.name = \"x\"\n[[trigger.http]]\nroute = \"/\"\ncomponent = \"a\"\n{components}"
        );
        std::fs::write(root.join("spin.toml"), manifest).expect("the manifest is written");
        load(root, &[]).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn each_distinct_build_runs_once_in_its_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = &folder.path().canonicalize().expect("the folder is there");
        std::fs::create_dir(root.join("sub")).expect("the folder is made");
        let application = application(
            root,
            r#"
            [component.a]
            source = "a.wasm"
            build = { command = ["echo one >> log", "echo two >> log"], workdir = "sub" }
            [component.b]
            source = "a.wasm"
            build = { command = ["echo one >> log", "echo two >> log"], workdir = "sub" }
            [component.c]
            source = "c.wasm"
            build.command = "echo three >> log && touch a.wasm c.wasm"
            [component.d]
            source = "c.wasm"
            "#,
        );
        let error = application
            .check_sources()
            .map_err(|error| error.to_string());
        assert_eq!(
            error,
            Err(format!(
                "{}:8: component `a`: there is no file {}; build it first, with `--build`",
                root.join("spin.toml").display(),
                root.join("a.wasm").display()
            ))
        );
        let mut announced = Vec::new();
        build(&application, |line| announced.push(line.to_owned()))
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            announced,
            [
                "Building component a with `echo one >> log`",
                "Building component a with `echo two >> log`",
                "Building component c with `echo three >> log && touch a.wasm c.wasm`",
            ]
        );
        let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
        assert_eq!(read("sub/log").as_deref(), Some("one\ntwo\n"));
        assert_eq!(read("log").as_deref(), Some("three\n"));
        assert!(application.check_sources().is_ok());
    }

    #[test]
    fn a_failure_names_the_component_and_the_status() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = &folder.path().canonicalize().expect("the folder is there");
        let fault = |build_table: &str| {
            let application = application(
                root,
                &format!("[component.a]\nsource = \"a\"\nbuild = {build_table}"),
            );
            build(&application, |_| {}).map_err(|error| error.to_string())
        };
        assert_eq!(
            fault("{ command = [\"exit 3\", \"touch never\"] }"),
            Err(format!(
                "component `a`: its build command `exit 3` failed (exit status: 3) in {}",
                root.display()
            ))
        );
        assert!(!root.join("never").exists());
        assert_eq!(
            fault("{ command = \"true\", workdir = \"none\" }"),
            Err(format!(
                "component `a`: its build command `true` cannot run: there is no folder {}",
                root.join("none").display()
            ))
        );
    }
}
