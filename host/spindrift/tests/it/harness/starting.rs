//! Hosts that listen and do not serve yet.

use std::path::PathBuf;

use super::app::App;
use super::host::Host;
use super::wait::eventually;

/// The file in the application's folder that ends the build.
const BUILT: &str = "built";

/// A host that builds its application before it serves it, until the test says that this is done.
pub struct Starting {
    /// The host.
    pub host: Host,
    built: PathBuf,
}

impl Starting {
    /// What the host says that it waits for.
    pub const WAITS: &str = "the components are being built";

    /// Starts a host on `app`, one of whose components this is, and waits until it listens.
    ///
    /// # Panics
    ///
    /// If it does not come to that.
    pub fn new(app: App, component: &str, args: &[impl AsRef<str>]) -> Self {
        // A host that is killed leaves the shell that builds behind: it must not go on.
        let command = format!("until [ -e {BUILT} ] || ! kill -0 $PPID; do sleep 0.02; done");
        let app = app.text(&format!(
            "[component.{component}.build]\ncommand = {command:?}"
        ));
        let built = app.path().join(BUILT);
        let command = app.command().args(&["--build"]).args(args);
        let host = command.start_listening();
        Starting { host, built }
    }

    /// The same, and waits until it builds.
    ///
    /// # Panics
    ///
    /// If it does not come to that.
    pub async fn building(app: App, component: &str, args: &[&str]) -> Self {
        let starting = Self::new(app, component, args);
        let client = starting.host.http1();
        eventually("it builds", async || {
            let ready = client.get("/.well-known/spindrift/ready").await;
            ready.text().contains(Self::WAITS).then_some(())
        })
        .await;
        starting
    }

    /// Says that the application is built.
    pub fn finish_build(&self) {
        std::fs::write(&self.built, "").expect("a file");
    }

    /// Says that the application is built, and waits until it is served.
    ///
    /// # Panics
    ///
    /// If it does not come to that.
    pub fn serve(&self) {
        self.finish_build();
        self.host.wait_until_printed("Serving ");
    }
}
