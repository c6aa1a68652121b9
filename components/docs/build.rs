//! Takes the files of Swagger UI that the page needs out of the vendored
//! archive, so that the component has them in itself and needs no network.

use std::error::Error;
use std::io::{Cursor, Read};
use std::path::Path;
use std::{env, fs};

use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

const FILES: [&str; 3] = [
    "swagger-ui.css",
    "swagger-ui-bundle.js",
    "favicon-32x32.png",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = env::var("OUT_DIR")?;
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for file in FILES {
        let suffix = format!("/dist/{file}");
        let name = archive
            .file_names()
            .filter_map(Result::ok)
            .find(|name| name.ends_with(&suffix) && name.matches('/').count() == 2)
            .ok_or_else(|| format!("Swagger UI's archive has no dist/{file}"))?
            .into_owned();
        let mut contents = Vec::new();
        archive.by_name(&name)?.read_to_end(&mut contents)?;
        fs::write(Path::new(&out).join(file), contents)?;
    }
    Ok(())
}
