//! Application variables, as `spin:variables@3.0.0`, `fermyon:spin/variables@2.0.0` and `wasi:config/store` show them.

use serde_json::{Value, json};

use crate::guest_interfaces::guests::Guests;
use crate::harness::{App, HostCommand};

/// The guests of `spin:variables` and `fermyon:spin/variables`, which answer alike.
const SPIN_GUESTS: [&str; 2] = ["vars3", "vars2"];
const GUESTS: [&str; 3] = ["vars3", "vars2", "config"];

/// Three guests that all have the same variables, and what the application declares for them.
fn app() -> App {
    let variables = r#"variables = { greeting = "{{ greeting }}", whole = "{{greeting}}, {{ name }}! {{name}}?", token = "{{ token }}", plain = "as it is", empty = "" }"#;
    GUESTS
        .iter()
        .fold(App::new(), |app, guest| app.guest(guest, variables))
        .text(
            r#"
            [variables]
            greeting = { default = "hello" }
            name = { required = true }
            token = { default = "no token", secret = true }
            "#,
        )
}

fn start(args: &[&str]) -> Guests {
    Guests::start_command(app().command().args(args))
}

async fn get(guests: &Guests, guest: &str, name: &str) -> Value {
    guests.ok(&format!("{guest}/get"), &[("name", name)]).await
}

#[tokio::test]
async fn a_variable_has_its_default_or_its_value_in_its_template() {
    let guests = start(&["--variable", "name=world"]);
    for guest in GUESTS {
        for (name, value) in [
            ("greeting", "hello"),
            ("whole", "hello, world! world?"),
            ("token", "no token"),
            ("plain", "as it is"),
            ("empty", ""),
        ] {
            assert_eq!(
                get(&guests, guest, name).await,
                json!(value),
                "{guest}: {name}"
            );
        }
    }
}

#[tokio::test]
async fn all_of_a_components_variables_are_listed() {
    let guests = start(&["--variable", "name=world"]);
    assert_eq!(
        guests.ok("config/get-all", &[]).await,
        json!({
            "greeting": "hello",
            "whole": "hello, world! world?",
            "token": "no token",
            "plain": "as it is",
            "empty": "",
        })
    );
}

#[tokio::test]
async fn what_is_not_the_components_own_is_undefined() {
    let guests = start(&["--variable", "name=world"]);
    // `name` is the application's, and no component has it under that name.
    for name in ["name", "nothing", "plain2"] {
        for guest in SPIN_GUESTS {
            let error = guests
                .error(&format!("{guest}/get"), &[("name", name)])
                .await;
            assert_eq!(
                error,
                format!("undefined: component '{guest}' has no variable '{name}'")
            );
        }
        assert_eq!(get(&guests, "config", name).await, Value::Null, "{name}");
    }
}

#[tokio::test]
async fn a_name_that_no_variable_can_have_is_invalid() {
    let guests = start(&["--variable", "name=world"]);
    for name in [
        "",
        "Greeting",
        "1st",
        "two words",
        "two-words",
        "_a",
        "a_",
        "a__b",
        "é",
    ] {
        for guest in SPIN_GUESTS {
            let error = guests
                .error(&format!("{guest}/get"), &[("name", name)])
                .await;
            assert!(
                error.starts_with("invalid-name: "),
                "{guest}: {name:?}: {error}"
            );
        }
        // This interface has no such error: there is no such variable.
        assert_eq!(get(&guests, "config", name).await, Value::Null, "{name:?}");
    }
}

#[tokio::test]
async fn a_component_without_variables_has_none() {
    let app = GUESTS
        .iter()
        .fold(App::new(), |app, guest| app.guest(guest, ""));
    let guests = Guests::start(app.text("[variables]\ngreeting = { default = \"hello\" }"));
    for guest in SPIN_GUESTS {
        let error = guests
            .error(&format!("{guest}/get"), &[("name", "greeting")])
            .await;
        assert!(error.starts_with("undefined: "), "{guest}: {error}");
    }
    assert_eq!(guests.ok("config/get-all", &[]).await, json!({}));
}

#[tokio::test]
async fn a_value_comes_from_the_environment() {
    let command = app()
        .command()
        .env("SPIN_VARIABLE_NAME", "environment")
        .env("SPIN_VARIABLE_GREETING", "good day")
        .env("SPIN_VARIABLE_OTHER", "of another application");
    let guests = Guests::start_command(command);
    for guest in GUESTS {
        let whole = get(&guests, guest, "whole").await;
        assert_eq!(
            whole,
            json!("good day, environment! environment?"),
            "{guest}"
        );
    }
}

#[tokio::test]
async fn a_value_comes_from_a_file() {
    let app = app()
        .file("name.txt", "a\nfile = it")
        .file(
            "values.json",
            r#"{"greeting": "json", "unknown": "ignored"}"#,
        )
        .file("values.toml", "token = \"toml\"");
    let folder = app.path().to_owned();
    let path = |name| folder.join(name).to_string_lossy().into_owned();
    let args = [
        "--variable".to_owned(),
        format!("name=@{}", path("name.txt")),
        "--variable".to_owned(),
        format!("@{}", path("values.json")),
        "--variable".to_owned(),
        format!("@{}", path("values.toml")),
    ];
    let guests = Guests::start_command(app.command().args(&args));
    let whole = get(&guests, "vars3", "whole").await;
    assert_eq!(whole, json!("json, a\nfile = it! a\nfile = it?"));
    assert_eq!(get(&guests, "vars3", "token").await, json!("toml"));
}

/// The application with a runtime configuration that provides values.
fn with_provider() -> HostCommand {
    let app = app().file(
        "runtime-config.toml",
        r#"
        [[variables_provider]]
        type = "static"
        values = { name = "provider", token = "provider" }

        [[variables_provider]]
        type = "static"
        values = { name = "later provider", greeting = "later provider" }
        "#,
    );
    let config = app.path().join("runtime-config.toml");
    let args = ["--runtime-config-file", &config.to_string_lossy()];
    app.command().args(&args)
}

#[tokio::test]
async fn a_value_comes_from_the_runtime_configuration() {
    let guests = Guests::start_command(with_provider());
    for guest in GUESTS {
        let whole = get(&guests, guest, "whole").await;
        // Of two providers the first one counts.
        assert_eq!(
            whole,
            json!("later provider, provider! provider?"),
            "{guest}"
        );
        assert_eq!(
            get(&guests, guest, "token").await,
            json!("provider"),
            "{guest}"
        );
    }
}

#[tokio::test]
async fn the_command_line_goes_before_the_configuration_and_that_before_the_environment() {
    let command = with_provider()
        .env("SPIN_VARIABLE_NAME", "environment")
        .env("SPIN_VARIABLE_TOKEN", "environment")
        .args(&[
            "--variable",
            "name=overridden",
            "--variable",
            "name=command line",
        ]);
    let guests = Guests::start_command(command);
    let whole = get(&guests, "vars3", "whole").await;
    assert_eq!(whole, json!("later provider, command line! command line?"));
    assert_eq!(get(&guests, "vars3", "token").await, json!("provider"));
}

#[tokio::test]
async fn a_value_with_a_template_in_it_stays_as_it_is() {
    let guests = start(&["--variable", "name={{ token }}"]);
    let whole = get(&guests, "vars3", "whole").await;
    assert_eq!(whole, json!("hello, {{ token }}! {{ token }}?"));
}

#[tokio::test]
async fn a_secret_reaches_the_guest_and_never_the_log() {
    let secret = "d6c1f0a4-secret";
    let token = format!("token={secret}");
    let args = [
        "--variable",
        &token,
        "--variable",
        "name=x",
        "--log-level",
        "trace,cranelift_codegen=warn,cranelift_frontend=warn,regalloc2=warn,wasmtime=debug,wasmtime_environ=warn,wasmtime_internal_cranelift=warn,wasmtime_internal_cache=warn",
        // None of it is dropped.
        "--log-buffer",
        "1000000",
    ];
    let guests = start(&args);
    for guest in GUESTS {
        assert_eq!(get(&guests, guest, "token").await, json!(secret), "{guest}");
    }
    let log = guests.host.log().join("\n");
    assert!(!log.is_empty(), "at this level there is a log");
    assert!(!log.contains(secret), "{log}");
    assert!(!guests.host.printed().contains(secret));
}

#[test]
fn a_required_variable_without_a_value_stops_the_start() {
    let refusal = app().command().refuse();
    assert_eq!(refusal.code, Some(1), "{refusal:?}");
    for part in ["`name`", "--variable name=", "SPIN_VARIABLE_NAME="] {
        assert!(refusal.stderr.contains(part), "{refusal:?}");
    }
}
