//! [`FetchArgs`]: what is fetched over the network, for commands that need an application and run none.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use spindrift_app::Application;
use spindrift_registry::{self as registry, PullOptions, Source};
use spindrift_values::boolean;

use super::{cache, start};

/// Where what is fetched is kept, and whether it may be fetched.
#[derive(Debug, Clone, Args)]
pub struct FetchArgs {
    /// Download neither the application nor a `source`: take them from the cache, or end with an error
    #[arg(long, env = "SPINDRIFT_OFFLINE", value_parser = boolean::parse_variable)]
    pub offline: bool,

    /// Folder for downloads, which `spindrift up` shares [default: spindrift in the user's cache folder]
    #[arg(long, value_name = "FOLDER", env = "SPINDRIFT_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,
}

impl FetchArgs {
    /// Loads an application, from a registry if need be without TLS, and downloads what it names by URL.
    ///
    /// # Errors
    ///
    /// Anything that is wrong with the application, or that keeps it from being had.
    pub(super) fn load(&self, source: &Source, insecure: bool) -> Result<Application> {
        let is_pulled = matches!(source, Source::Registry(_));
        let mut options = PullOptions {
            insecure,
            offline: self.offline,
            cache_dir: if is_pulled { self.cache() } else { None },
        };
        let mut application =
            registry::load(source, &[], &options).map_err(start::for_a_terminal)?;
        for warning in &application.warnings {
            tracing::warn!("{warning}");
        }
        // Most applications have all in their folder, and need no cache.
        if application.has_downloads() {
            options.cache_dir = self.cache();
            registry::download(&mut application, &options).map_err(start::for_a_terminal)?;
        }
        Ok(application)
    }

    fn cache(&self) -> Option<PathBuf> {
        self.cache_dir.clone().or_else(cache::usable_default)
    }
}
