//! What each fault in a manifest is told, and on which line.

use super::{START, read, with_component, with_trigger};

/// The error as its reader sees it: `spin.toml:LINE: …`.
pub(crate) fn fault(text: &str) -> String {
    match read(text) {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn faults_of_the_whole_manifest_are_named_with_their_line() {
    for (text, expected) in [
        ("a = \n", "spin.toml:1: not TOML: "),
        ("\n\n[x\n", "spin.toml:3: not TOML: "),
        (
            "",
            "spin.toml:1: the manifest has no `spin_manifest_version`; write `spin_manifest_version = 2` in its first line",
        ),
        (
            "component_manifest_version = 1",
            "spin.toml:1: the manifest has no `spin_manifest_version`; write `spin_manifest_version = 2` in its first line; this is the manifest of a component, not of an application",
        ),
        (
            "# hello\nspin_manifest_version = 1",
            "spin.toml:2: unknown `spin_manifest_version` 1; version 1 is written \"1\", in quotes",
        ),
        (
            "spin_manifest_version = \"2\"",
            "spin.toml:1: unknown `spin_manifest_version` \"2\"; write `spin_manifest_version = 2`, a number without quotes",
        ),
        (
            "spin_manifest_version = 2",
            "spin.toml:1: the manifest has no `application`; add one, such as `[application]`",
        ),
        (
            "spin_manifest_version = 2\n[application]\nversion = \"1\"",
            "spin.toml:2: [application] has no `name`; add one, such as `name = \"my-application\"`",
        ),
        (
            "spin_manifest_version = 2\n[application]\nname = 1",
            "spin.toml:3: `name` in [application] must be a string, not 1",
        ),
        (
            "spin_manifest_version = 2\n[application]\nname = \" \"",
            "spin.toml:3: the application's `name` is empty",
        ),
        (
            "spin_manifest_version = 2\n[application]\nname = \"x\"\nauthors = [\n\"a\",\n2]",
            "spin.toml:6: an entry of `authors` in [application] must be a string, not 2",
        ),
        (
            "spin_manifest_version = 2\n\napplication.version = \"1\"",
            "spin.toml:3: [application] has no `name`; add one, such as `name = \"my-application\"`",
        ),
        (
            "spin_manifest_version = 2\n[application.tool.x]\n[application]\nversion = \"1\"",
            "spin.toml:3: [application] has no `name`; add one, such as `name = \"my-application\"`",
        ),
        (
            "spin_manifest_version = 2\n[application]\nname = \"x\"\nnmae = 1",
            "spin.toml:4: unknown field `nmae` in [application]; it may have `name`, `version`, `description`, `authors`, `trigger`, `targets`, `tool`",
        ),
        (
            "spin_manifest_version = 2\n[application]\nname = \"x\"\n[application.trigger.http]\nbase = \"/v1\"",
            "spin.toml:5: `base` in [application.trigger.http] is no longer supported by Spin; put \"/v1\" in front of each `route` instead",
        ),
        (
            "spin_manifest_version = 2\n[application]\nname = \"x\"\n[componnet.a]\nsource = \"a\"",
            "spin.toml:4: unknown field `componnet` in the manifest; it may have `spin_manifest_version`, `application`, `variables`, `component`, `trigger`",
        ),
        (
            START,
            "spin.toml:1: the manifest has no [[trigger.http]], so the application would answer nothing; add one with a `route` and a `component`",
        ),
    ] {
        let found = fault(text);
        assert!(
            found.starts_with(expected),
            "{text}\n found: {found}\n expected: {expected}"
        );
    }
}

#[test]
fn faults_of_variables_are_named_with_their_line() {
    let start = "spin_manifest_version = 2\n[application]\nname = \"x\"\n[variables]\n";
    for (more, expected) in [
        (
            "a = \"x\"",
            "spin.toml:5: variable `a` must be a table; write `a = { default = … }`",
        ),
        (
            "a = {}",
            "spin.toml:5: variable `a` needs `required = true` or a `default`",
        ),
        (
            "a = { required = true, default = \"x\" }",
            "spin.toml:5: variable `a` is `required` and has a `default`; keep one of the two",
        ),
        (
            "ok = { default = \"\" }\na = { default = 1 }",
            "spin.toml:6: the `default` of variable `a` must be a string; put it in quotes",
        ),
        (
            "a = { required = 1 }",
            "spin.toml:5: `required` in variable `a` must be true or false, not 1",
        ),
        (
            "a = { requird = true }",
            "spin.toml:5: unknown field `requird` in variable `a`; it may have `description`, `required`, `default`, `secret`",
        ),
        (
            "a-b = { required = true }",
            "spin.toml:5: variable \"a-b\": words are separated by `_` here, not by `-`",
        ),
        (
            "A = { required = true }",
            "spin.toml:5: variable \"A\": 'A' is not allowed in the name of a variable; use a-z, 0-9 and single `_`",
        ),
    ] {
        let text = format!("{start}{more}\n");
        assert_eq!(fault(&text), expected, "{more}");
    }
}

#[test]
fn faults_of_triggers_are_named_with_their_line() {
    for (text, expected) in [
        (
            format!("{START}[[trigger.redis]]\nchannel = \"x\""),
            "spin.toml:6: [[trigger.redis]]: only the `http` trigger is supported here; remove the trigger, or run this application with `spin up`",
        ),
        (
            format!("{START}[trigger]\ntype = \"http\""),
            "spin.toml:7: a [trigger] with a `type` is from manifest version 1; write [[trigger.http]]",
        ),
        (
            format!("{START}[trigger.http]\nroute = \"/\""),
            "spin.toml:6: [trigger.http] must be written with two brackets, [[trigger.http]], once for each route",
        ),
        (
            format!("{START}[trigger]"),
            "spin.toml:6: [trigger] holds no [[trigger.http]], so the application would answer nothing",
        ),
        (
            with_trigger("component = \"a\""),
            "spin.toml:8: [[trigger.http]] has no `route`; add one, such as `route = \"/...\"`",
        ),
        (
            with_trigger("route = 1"),
            "spin.toml:9: `route` in [[trigger.http]] must be a string, not 1",
        ),
        (
            with_trigger("route = \"/a/.../b\""),
            "spin.toml:9: route \"/a/.../b\": `...` is allowed only at the end",
        ),
        (
            with_trigger("component = \"a\"\nroute = { private = false }"),
            "spin.toml:10: a `route` is a path, or `{ private = true }`; `private = false` is neither",
        ),
        (
            with_trigger("route = { privat = true }"),
            "spin.toml:9: `route` in [[trigger.http]] has no `private`; add one, such as `private = true`",
        ),
        (
            with_trigger("route = \"/\""),
            "spin.toml:8: [[trigger.http]] has neither `component` nor `static_response`; add one of the two",
        ),
        (
            with_trigger("route = \"/\"\ncomponent = \"a\"\nstatic_response = {}"),
            "spin.toml:8: [[trigger.http]] has both `component` and `static_response`; keep one of the two",
        ),
        (
            with_trigger("route = \"/\"\ncomponent = \"b\""),
            "spin.toml:10: there is no [component.b]; the components are `a`",
        ),
        (
            with_trigger("route = \"/\"\ncomponent = { surce = \"x\" }"),
            "spin.toml:10: the component of trigger `http-trigger1` has no `source`; add one, such as `source = \"target/wasm32-wasip2/release/component.wasm\"`",
        ),
        (
            with_trigger("route = \"/\"\ncomponent = \"a\"\nmethod = \"PUT\""),
            "spin.toml:11: unknown field `method` in [[trigger.http]]; it may have `id`, `components`, `dependencies`, `executor`, `route`, `component`, `static_response`",
        ),
        (
            with_trigger("route = \"/\"\ncomponent = \"a\"\nexecutor = { type = \"wagi\" }"),
            "spin.toml:11: the `wagi` executor is not supported here; build the component for `wasi:http` and remove `executor`",
        ),
        (
            with_trigger("route = \"/\"\nexecutor = { type = \"other\" }"),
            "spin.toml:10: unknown executor \"other\"; remove `executor`, or write { type = \"http\" }",
        ),
        (
            with_trigger("route = \"/\"\nexecutor = { type = \"http\", argv = \"\" }"),
            "spin.toml:10: unknown field `argv` in `executor` in [[trigger.http]]; it may have `type`",
        ),
        (
            with_trigger("route = \"/\"\ncomponent = \"a\"\ncomponents = { x = \"a\" }"),
            "spin.toml:11: `components` in [[trigger.http]]: further components are not supported here; a trigger has one `component`",
        ),
        (
            with_trigger(
                "route = \"/\"\ncomponent = \"a\"\ndependencies = { middleware = [\"a\"] }",
            ),
            "spin.toml:11: `dependencies` in [[trigger.http]]: trigger dependencies (middleware) are not supported here",
        ),
        (
            with_trigger("route = \"/\"\nstatic_response = { status_code = 99 }"),
            "spin.toml:10: 99 is no status code for a response; it must be from 200 to 999",
        ),
        (
            with_trigger("route = \"/\"\nstatic_response.status_code = 101"),
            "spin.toml:10: 101 is no status code for a response; it must be from 200 to 999",
        ),
        (
            with_trigger("route = \"/\"\nstatic_response = { status_code = \"404\" }"),
            "spin.toml:10: `status_code` in `static_response` must be a whole number, not \"404\"",
        ),
        (
            with_trigger("route = \"/\"\nstatic_response = { status_code = 99999999999999999999 }"),
            "spin.toml:10: `status_code` in `static_response` is out of range",
        ),
        (
            with_trigger("route = \"/\"\nstatic_response = { body = 1 }"),
            "spin.toml:10: `body` in `static_response` must be a string, not 1",
        ),
        (
            with_trigger("route = \"/\"\n[trigger.http.static_response.headers]\n\"a b\" = \"x\""),
            "spin.toml:11: \"a b\" cannot be the name of a header",
        ),
        (
            with_trigger("route = \"/\"\nstatic_response.headers.x = \"a\\nb\""),
            "spin.toml:10: \"a\\nb\" cannot be the value of the header `x`",
        ),
        (
            with_trigger("route = \"/\"\nstatic_response.headers.Content-Length = \"1\""),
            "spin.toml:10: the header `content-length` is set by the host; remove it",
        ),
        (
            with_trigger("route = \"/\"\nstatic_response.status = 404"),
            "spin.toml:10: unknown field `status` in `static_response`; it may have `status_code`, `headers`, `body`",
        ),
    ] {
        assert_eq!(fault(&text), expected, "{text}");
    }
}

#[test]
fn faults_of_components_are_named_with_their_line() {
    for (more, expected) in [
        (
            "colour = 1",
            "spin.toml:11: unknown field `colour` in [component.a]; it may have `source`, `description`, `key_value_stores`, `sqlite_databases`, `ai_models`, `allowed_outbound_hosts`, `allowed_http_hosts`, `variables`, `environment`, `files`, `exclude_files`, `build`, `dependencies`, `dependencies_inherit_configuration`, `tool`, `targets`, `profile`",
        ),
        (
            "[component.b]",
            "spin.toml:11: [component.b] has no `source`; add one, such as `source = \"target/wasm32-wasip2/release/component.wasm\"`",
        ),
        (
            "[component.b_c]\nsource = \"x\"",
            "spin.toml:11: component id \"b_c\": words are separated by `-` here, not by `_`",
        ),
        (
            "[component.b]\nsource = 1",
            "spin.toml:12: `source` in [component.b] must be a string, not 1",
        ),
        (
            "[component.b]\nsource = \"\"",
            "spin.toml:12: `source` in [component.b] is empty; name a WebAssembly file",
        ),
        (
            "sqlite_databases = \"default\"",
            "spin.toml:11: `sqlite_databases` in [component.a] must be a list, not \"default\"",
        ),
        (
            "ai_models = [1]",
            "spin.toml:11: an entry of `ai_models` in [component.a] must be a string, not 1",
        ),
        (
            "[component.a.dependencies]\n\"a:b\" = \"1.0\"",
            "spin.toml:11: `dependencies` in [component.a]: component dependencies are not supported here; compose the component first (`wac plug`) and name the result as `source`",
        ),
        (
            "dependencies_inherit_configuration = 1",
            "spin.toml:11: `dependencies_inherit_configuration` in [component.a] must be true or false, not 1",
        ),
        (
            "config = { a = \"1\" }",
            "spin.toml:11: `config` in [component.a] is of manifest version 1; in version 2 it is in the table `variables` of the component",
        ),
        (
            "executor = { type = \"spin\" }",
            "spin.toml:11: `executor` in [component.a] is of manifest version 1; in version 2 it is in [[trigger.http]], beside the component",
        ),
        (
            "allowed_http_hosts = [\"{{ host }}\"]",
            "spin.toml:11: an entry of `allowed_http_hosts` in [component.a] (\"{{ host }}\") has a variable where this field takes none; write the entry into `allowed_outbound_hosts`, as in \"https://{{ host }}\"",
        ),
        (
            "key_value_stores = \"default\"",
            "spin.toml:11: `key_value_stores` in [component.a] must be a list, not \"default\"",
        ),
        (
            "key_value_stores = [\n  \"default\",\n  \"b@d\"]",
            "spin.toml:13: key-value store \"b@d\": '@' is not allowed in a name",
        ),
        (
            "allowed_outbound_hosts = [\n\"https://x.example\",\n\"example.com\"]",
            "spin.toml:13: an entry of `allowed_outbound_hosts` in [component.a] (\"example.com\"): an entry is `scheme://host` or `scheme://host:port`, and each part may be `*`; there is no `://` in it",
        ),
        (
            "allowed_outbound_hosts = [\"http://{a,b}\"]",
            "spin.toml:11: an entry of `allowed_outbound_hosts` in [component.a] (\"http://{a,b}\"): lists in braces are not supported; write an entry for each host",
        ),
        (
            "allowed_outbound_hosts = [\"https://{{ hots }}\"]",
            "spin.toml:11: an entry of `allowed_outbound_hosts` in [component.a]: `{{ hots }}` names a variable that [variables] does not declare",
        ),
        (
            "[component.a.variables]\nx = \"{{ host\"",
            "spin.toml:12: `x` in `variables` in [component.a]: `{{` has no `}}` after it",
        ),
        (
            "[component.a.variables]\nX = \"\"",
            "spin.toml:12: `X` in `variables` in [component.a]: 'X' is not allowed in the name of a variable; use a-z, 0-9 and single `_`",
        ),
        (
            "environment = { A = 1 }",
            "spin.toml:11: `A` in `environment` in [component.a] must be a string, not 1",
        ),
        (
            "environment = { \"A=B\" = \"1\" }",
            "spin.toml:11: \"A=B\" cannot be the name of an environment variable",
        ),
        (
            "files = [\"../x\"]",
            "spin.toml:11: an entry of `files` in [component.a]: \"../x\" leads out of the application's folder; write where its files are to be, as in { source = \"../x\", destination = \"/\" }",
        ),
        (
            "files = [\"/etc/passwd\"]",
            "spin.toml:11: an entry of `files` in [component.a]: \"/etc/passwd\" is absolute; write it relative to the application's folder",
        ),
        (
            "files = [\".\"]",
            "spin.toml:11: an entry of `files` in [component.a]: \".\" is a folder; write \"./**/*\" for everything in it",
        ),
        (
            "files = [1]",
            "spin.toml:11: an entry of `files` in [component.a] must be a table, not 1",
        ),
        (
            "files = [{ source = \"x\" }]",
            "spin.toml:11: an entry of `files` in [component.a] has no `destination`; add one, such as `destination = \"/assets\"`",
        ),
        (
            "files = [{ source = \"x\", destination = \"/../y\" }]",
            "spin.toml:11: an entry of `files` in [component.a]: the destination \"/../y\" may not have `..` in it",
        ),
        (
            "exclude_files = [\"a[\"]",
            "spin.toml:11: an entry of `exclude_files` in [component.a] (\"a[\") is no glob pattern: Pattern syntax error near position 1: invalid range pattern",
        ),
        (
            "[component.a.build]\nworkdir = \"x\"",
            "spin.toml:11: `build` in [component.a] has no `command`; add one, such as `command = \"cargo build --release\"`",
        ),
        (
            "build.command = [1]",
            "spin.toml:11: an entry of `command` in `build` in [component.a] must be a string, not 1",
        ),
        (
            "build = { command = \"x\", workdir = \"/x\" }",
            "spin.toml:11: `workdir` in `build` in [component.a] must be relative to the manifest's folder",
        ),
    ] {
        assert_eq!(fault(&with_component(more)), expected, "{more}");
    }
    assert_eq!(
        fault(&format!("{START}[[component]]\nid = \"a\"\n")),
        "spin.toml:6: [[component]] is from manifest version 1; write [component.ID]"
    );
}
