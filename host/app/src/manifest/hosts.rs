//! `allowed_outbound_hosts`, and `allowed_http_hosts`, which Spin 1 had before it.

use url::Url;

use super::component::Reader;
use super::reader::{Item, Section};
use super::version::Version;
use crate::{AllowedHost, AppError, Template};

const FORMER: &str = "allowed_http_hosts";
const PRESENT: &str = "allowed_outbound_hosts";

/// The entry of the former field that stands for every host.
const EVERY_HOST: &str = "insecure:allow-all";
/// The application itself, in the former field.
const ITSELF: &str = "self";

/// What Spin 1 let a component reach that had nothing in the present field: its databases had none of their own.
const DATABASES: [&str; 3] = ["redis://*:*", "mysql://*:*", "postgres://*:*"];

/// Reads what a component may call. As in Spin, the former field adds to the present one.
pub(crate) fn read(
    section: &mut Section<'_>,
    reader: &Reader<'_>,
    id: &str,
    warnings: &mut Vec<String>,
) -> Result<Vec<Template>, AppError> {
    let mut hosts = Vec::new();
    if reader.version == Version::One && section.peek(PRESENT).is_none() {
        hosts.extend(DATABASES.map(Template::literal));
    }
    for item in section.strings(PRESENT)? {
        hosts.push(read_entry(&item, item.string()?, reader)?);
    }
    let former = read_former(section)?;
    if reader.version == Version::Two && !former.is_empty() {
        let entries: Vec<_> = former.iter().flat_map(|former| &former.entries).collect();
        warnings.push(format!(
            "component `{id}`: `{FORMER}` is deprecated; add {entries:?} to `{PRESENT}` in its place"
        ));
    }
    for former in &former {
        for entry in &former.entries {
            hosts.push(read_entry(&former.item, entry, reader)?);
        }
    }
    Ok(hosts)
}

/// Reads an entry of the present field, which `item` is or stands for.
fn read_entry(item: &Item<'_>, entry: &str, reader: &Reader<'_>) -> Result<Template, AppError> {
    let template = Template::parse(entry, |name| reader.variables.contains_key(name))
        .map_err(|fault| item.error(format!("{}: {fault}", item.name)))?;
    // What has variables in it is checked when their values are known.
    if template.is_literal() {
        AllowedHost::parse(entry)
            .map_err(|fault| item.error(format!("{} ({entry:?}): {fault}", item.name)))?;
    }
    Ok(template)
}

/// An entry of the former field, and those of the present one that it stands for.
struct Former<'a> {
    item: Item<'a>,
    entries: Vec<String>,
}

fn read_former<'a>(section: &mut Section<'a>) -> Result<Vec<Former<'a>>, AppError> {
    let mut all = Vec::new();
    for item in section.strings(FORMER)? {
        let text = item.string()?;
        if text == EVERY_HOST {
            // As in Spin, whatever the others are. The application itself is one of these hosts.
            let entries = ["http://*:*", "https://*:*"].map(str::to_owned).into();
            return Ok(vec![Former { item, entries }]);
        }
        let entries = present(text)
            .map_err(|fault| item.error(format!("{} ({text:?}) {fault}", item.name)))?;
        all.push(Former { item, entries });
    }
    Ok(all)
}

/// What stands for a host, a host with a port, or the URL of one.
///
/// # Errors
///
/// What is wrong with it, as the end of a sentence.
fn present(text: &str) -> Result<Vec<String>, String> {
    let url = if text.contains("//") {
        Url::parse(text)
    } else {
        Url::parse(&format!("http://{text}"))
    };
    let url = url.map_err(|error| {
        if text.contains("{{") {
            return format!(
                "has a variable where this field takes none; write the entry into `{PRESENT}`, as in \"https://{{{{ host }}}}\""
            );
        }
        format!(
            "is no host ({error}); write a host, or a host and a port such as \"example.com:8080\""
        )
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "has the scheme {:?}, and this field is for HTTP; write it into `{PRESENT}`",
            url.scheme()
        ));
    }
    if url.path().len() > 1 {
        return Err("has a path; end it after the host or the port".to_owned());
    }
    let host = url.host_str().unwrap_or_default();
    if host == ITSELF {
        return Ok(vec![format!("http://{ITSELF}")]);
    }
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    Ok(["http", "https"]
        .map(|scheme| format!("{scheme}://{host}{port}"))
        .into())
}
