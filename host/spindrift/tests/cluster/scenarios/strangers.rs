//! Strangers at the port of the nodes, a thousand at a time, keep nobody out who belongs there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::acknowledged::Acknowledged;
use super::command::spindrift_as_member;
use crate::nodes::cluster::Cluster;
use crate::nodes::run::{PATIENCE, eventually, on_network};
use crate::nodes::settings::Settings;

/// Strangers at a time.
const STRANGERS: usize = 1000;

/// How long a stranger waits for an answer.
const ANSWER: Duration = Duration::from_secs(1);

/// The files that a node may have open: what it needs itself, and the places of its port.
const MOST_FILES: usize = 600;

/// What a stranger does once it is connected.
#[derive(Clone)]
enum Does {
    /// It says this, and waits.
    Says(&'static [u8]),
    /// It goes through a handshake and shows no certificate.
    Handshake(TlsConnector),
}

/// A client that trusts everybody.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

fn handshake() -> Does {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
        .with_no_client_auth();
    Does::Handshake(TlsConnector::from(Arc::new(config)))
}

/// Connects again and again.
async fn annoy(address: SocketAddr, does: Does) {
    loop {
        let Ok(Ok(mut stream)) = timeout(ANSWER, TcpStream::connect(address)).await else {
            continue;
        };
        let mut answer = Vec::new();
        match &does {
            Does::Says(bytes) => {
                stream.write_all(bytes).await.ok();
                timeout(ANSWER, stream.read_to_end(&mut answer)).await.ok();
            }
            Does::Handshake(connector) => {
                let name = "peer.spindrift.internal".try_into().expect("a name");
                let session = timeout(ANSWER, connector.connect(name, stream)).await;
                if let Ok(Ok(mut session)) = session {
                    timeout(ANSWER, session.read_to_end(&mut answer)).await.ok();
                }
            }
        }
    }
}

#[test]
fn a_thousand_strangers_keep_nobody_out() {
    on_network(6 * PATIENCE, async |network| {
        let mut cluster = Cluster::start(network, 2, Settings::default()).await;
        let mut written = Acknowledged::default();
        for does in [
            Does::Says(b""),
            Does::Says(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
            Does::Says(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
            handshake(),
        ] {
            let leader = cluster.leader().await;
            let address = cluster[leader].addresses.peer;
            let mut strangers = JoinSet::new();
            for _ in 0..STRANGERS {
                strangers.spawn(annoy(address, does.clone()));
            }
            let peer = address.to_string();
            for _ in 0..5 {
                // Strangers and the command are at one address, and a busy machine may be slow to hear them all.
                eventually("an answer to the command", async || {
                    let asked = spindrift_as_member(&cluster, &["status", "--node", &peer]).await;
                    (asked.code == Some(0))
                        .then_some(())
                        .ok_or(format!("{asked:?}"))
                })
                .await;
                let files = cluster[leader].open_files();
                assert!(files < MOST_FILES, "{files} files are open");
            }
            cluster.add();
            cluster.agreed().await;
            written.put(10, &mut cluster).await;
            strangers.shutdown().await;
            // A flood of strangers is no flood of lines.
            let lines = cluster[leader].log().matches("is refused").count();
            assert!(lines <= 8, "{lines} lines");
        }
        written.all_everywhere(&mut cluster).await;
    });
}
