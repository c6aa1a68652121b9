//! [`ListenArgs`]: the address of the public HTTP server, and TLS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How the routes are printed when the server is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OutputFormat {
    /// Lines for people.
    #[default]
    Plain,
    /// One JSON object.
    Json,
}

/// Where and how the server listens.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Listening")]
pub struct ListenArgs {
    /// Address and port to listen on. Port 0 takes any free port
    #[arg(long = "listen", value_name = "ADDRESS", env = "SPIN_HTTP_LISTEN_ADDR", default_value = "127.0.0.1:3000", value_parser = parse_address)]
    pub address: SocketAddr,

    /// If the port is taken, use the next one that is free instead of failing
    #[arg(long)]
    pub find_free_port: bool,

    /// Certificate chain for HTTPS (PEM). Without one the server speaks plain HTTP
    #[arg(long, value_name = "FILE", env = "SPIN_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", env = "SPIN_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Address and port for operators, with /live, /ready, /metrics and /status. Without this flag there is no such port
    #[arg(long, value_name = "ADDRESS", env = "SPINDRIFT_ADMIN_LISTEN", value_parser = parse_address)]
    pub admin_listen: Option<SocketAddr>,

    /// How to print the routes once the server is ready
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: OutputFormat,
}

impl ListenArgs {
    /// The certificate chain and the private key, if HTTPS was asked for.
    pub fn tls(&self) -> Option<(&PathBuf, &PathBuf)> {
        self.tls_cert.as_ref().zip(self.tls_key.as_ref())
    }
}

/// Takes an address, or a name to look up. Of a name's addresses 127.0.0.1 comes first: `localhost` means it to most clients.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let addresses: Vec<SocketAddr> = text
        .to_socket_addrs()
        .map_err(|error| {
            format!("{error}: write an address and a port, such as 127.0.0.1:3000 or [::]:3000")
        })?
        .collect();
    let loopback = addresses
        .iter()
        .find(|address| address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST));
    loopback
        .or(addresses.first())
        .copied()
        .ok_or_else(|| format!("{text:?} has no address"))
}
