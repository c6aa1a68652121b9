//! `source`: where a component's WebAssembly is.

use std::path::{Path, PathBuf};

use super::reader::{Item, Section};
use crate::{AppError, RemoteFile};

/// What `source` says.
pub(crate) enum Source {
    /// A file, which need not exist yet.
    Path(PathBuf),
    /// A file to be downloaded.
    Remote(RemoteFile),
}

/// Reads a path, which starts at the folder `root`, or a table with a URL.
pub(crate) fn read(item: &Item<'_>, root: &Path) -> Result<Source, AppError> {
    if let Some(section) = item.table_or_none(item.name.clone()) {
        return read_table(item, section).map(Source::Remote);
    }
    match item.string()? {
        "" => Err(item.error(format!("{} is empty; name a WebAssembly file", item.name))),
        source if source.starts_with("https://") || source.starts_with("http://") => {
            Err(item.error(format!(
                "{} is a path here; write {{ url = {source:?}, digest = \"sha256:…\" }} to have the file downloaded",
                item.name
            )))
        }
        source => Ok(Source::Path(root.join(source))),
    }
}

fn read_table(item: &Item<'_>, mut section: Section<'_>) -> Result<RemoteFile, AppError> {
    let is_package = ["package", "registry", "version"];
    if is_package.iter().any(|key| section.peek(key).is_some()) {
        return Err(item.error(format!(
            "{}: a package of a registry is not supported here; download it (`wkg get`) and name the file's path",
            item.name
        )));
    }
    let url = section.require("url", "url = \"https://example.com/component.wasm\"")?;
    let Some(digest) = section.take("digest") else {
        return Err(section.error(format!(
            "{} has no `digest`; add one, `digest = \"sha256:…\"` with what `sha256sum` prints of the file",
            section.name
        )));
    };
    section.finish()?;
    let parsed = RemoteFile::parse_url(url.string()?);
    let parsed = parsed.map_err(|fault| url.error(format!("{}: {fault}", url.name)))?;
    let checked = RemoteFile::parse_digest(digest.string()?);
    let checked = checked.map_err(|fault| digest.error(format!("{}: {fault}", digest.name)))?;
    Ok(RemoteFile::new(parsed, checked))
}
