//! Where the values of variables come from, and which source wins.

use super::assert_refused;
use crate::harness::{App, Host, HostCommand};

fn app() -> App {
    App::with_head(
        "[application]\nname = \"x\"\n[variables]\ntoken = { default = \"of the manifest\" }\n",
    )
    .guest("vars3", "variables = { value = \"{{ token }}\" }")
    .file(
        "runtime.toml",
        "[[variables_provider]]\ntype = \"static\"\nvalues = { token = \"of the file\" }\n",
    )
}

async fn value(host: &Host) -> String {
    let answer = host.http1().get("/vars3/get?name=value").await.expect(200);
    answer["ok"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

fn command(app: App, sources: &[&str]) -> HostCommand {
    let file = app.path().join("runtime.toml");
    let mut command = app.command();
    for source in sources {
        command = match *source {
            "file" => command.args(&["--runtime-config-file", &file.to_string_lossy()]),
            "flag" => command.args(&["--variable", "token=of the flag"]),
            _ => command.env("SPIN_VARIABLE_TOKEN", "of the environment"),
        };
    }
    command
}

#[tokio::test]
async fn a_flag_wins_over_the_runtime_configuration_that_over_the_environment_and_that_over_the_manifest()
 {
    for (sources, expected) in [
        (&[][..], "of the manifest"),
        (&["environment"], "of the environment"),
        (&["environment", "file"], "of the file"),
        (&["environment", "file", "flag"], "of the flag"),
    ] {
        let host = command(app(), sources).start();
        assert_eq!(value(&host).await, expected, "{sources:?}");
    }
}

#[tokio::test]
async fn a_variable_that_the_application_does_not_have_is_refused() {
    assert_refused(app().command().args(&["--variable", "tokn=x"]), &["tokn"]);
}
