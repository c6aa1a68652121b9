//! [`Authority`]: the certificate authority that follows from a cluster token, and what is made of it.
//!
//! All nodes derive the same key from the token, an Ed25519 key whose seed is what [`Token::seed`] gives, and with it the same
//! authority. Each process issues itself a certificate for a key of its own, which never leaves its memory. So nobody
//! configures or renews a certificate, what is sent proves that the sender knows the token without telling it, and the key
//! exchange of TLS 1.3 keeps what was said a secret even if the token becomes known later.
//!
//! A certificate says no more than "knows the token", so all of them are for one name, and are valid for all times: clocks
//! that are off keep nobody out, nor does a process that runs for years. Their validity ends when
//! another token takes the place of theirs.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, SanType, SerialNumber, date_time_ymd,
};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_util::sync::CancellationToken;

use super::TlsError;
use super::chain::Bounded;
use crate::network::token::Token;

/// The one name that all certificates are for.
pub(super) const NAME: &str = "peer.spindrift.internal";

/// The protocol above TLS: HTTP/2, once the side that accepts has said with [`WELCOME`] that it trusts the other one. Nodes
/// with certificates from files have another one, so each side can tell when the other has those.
pub(super) const ALPN: &[u8] = b"spindrift-token/1";

/// The first byte that the side says which accepts. The other one has finished its part of the handshake before it is
/// trusted itself (RFC 8446, section 2), and would not hear before its first call that it is not.
pub(super) const WELCOME: u8 = b'+';

/// Certificates between a node's own and the authority's: the authority signs each itself.
const BETWEEN: usize = 0;

/// What comes before the seed in an Ed25519 private key (RFC 8410, section 7).
const PKCS8_ED25519: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The authority of one token.
pub(super) struct Authority {
    token: Token,
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, which others trust that know the token.
    pub certificate: CertificateDer<'static>,
    /// This one alone.
    roots: RootCertStore,
    /// Told when the token is no longer trusted.
    pub revoked: CancellationToken,
}

impl Authority {
    /// Makes the authority of a token. It takes as long as [`Token::seed`].
    ///
    /// # Errors
    ///
    /// There is too little memory.
    pub fn of(token: &Token) -> Result<Self, TlsError> {
        let seed = token.seed().map_err(unavailable)?;
        let key = PrivatePkcs8KeyDer::from([PKCS8_ED25519.as_slice(), seed].concat());
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ED25519);
        let key = key.map_err(unavailable)?;
        let mut params = params("spindrift cluster token");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key).map_err(unavailable)?;
        let certificate = certificate.der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).map_err(unavailable)?;
        Ok(Self {
            token: token.clone(),
            issuer: Issuer::new(params, key),
            certificate,
            roots,
            revoked: CancellationToken::new(),
        })
    }

    /// Whether it is that of this token.
    pub fn is_of(&self, token: &Token) -> bool {
        self.token == *token
    }

    /// Whether it has signed this certificate.
    pub fn has_signed(&self, certificate: &CertificateDer<'_>) -> bool {
        let certificate = ParsedCertificate::try_from(certificate);
        certificate.is_ok_and(|certificate| {
            let algorithms = default_provider().signature_verification_algorithms;
            let now = UnixTime::now();
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                &self.roots,
                &[],
                now,
                algorithms.all,
            )
            .is_ok()
        })
    }

    /// A certificate for a new key, and the key.
    fn issue(&self) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), TlsError> {
        let key = KeyPair::generate_for(&PKCS_ED25519).map_err(unavailable)?;
        let mut leaf = params("spindrift node");
        let name = NAME.try_into().map_err(unavailable)?;
        leaf.subject_alt_names = vec![SanType::DnsName(name)];
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = leaf.signed_by(&key, &self.issuer).map_err(unavailable)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Ok((certificate.der().clone(), key.into()))
    }
}

/// What authorities and nodes have in common: validity for all times, of which the end is that which RFC 5280, section
/// 4.1.2.5, gives certificates without one.
fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(1970, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31);
    params.serial_number = Some(SerialNumber::from_slice(&[1]));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Both sides of TLS for a process that trusts these authorities, and has a certificate of the first.
///
/// Sessions are not resumed: one that is would go by what was proved before, with a token that may be trusted no more.
///
/// # Errors
///
/// There is too little memory, or no randomness.
pub(super) fn sides(
    authorities: &[Arc<Authority>],
) -> Result<(ClientConfig, ServerConfig), TlsError> {
    let Some(own) = authorities.first() else {
        return Err(unavailable("there is no cluster token"));
    };
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        let added = roots.add(authority.certificate.clone());
        added.map_err(unavailable)?;
    }
    let roots = Arc::new(roots);
    let provider = Arc::new(provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
        .clear_root_hint_subjects()
        .build()
        .map_err(unavailable)?;
    let (certificate, key) = own.issue()?;
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .map_err(unavailable)?
        .with_client_cert_verifier(Arc::new(Bounded::new(verifier, BETWEEN)))
        .with_single_cert(vec![certificate.clone()], key.clone_key())
        .map_err(unavailable)?;
    server.alpn_protocols = vec![ALPN.to_vec()];
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(unavailable)?;
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(unavailable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Bounded::new(verifier, BETWEEN)))
        .with_client_auth_cert(vec![certificate], key)
        .map_err(unavailable)?;
    client.alpn_protocols = vec![ALPN.to_vec()];
    client.resumption = Resumption::disabled();
    Ok((client, server))
}

/// The suites of TLS 1.3, the one first that costs least where the processor has instructions for AES: peers are few and
/// what they say is much. 128 bits are as many as the key exchange is worth.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        ..default_provider()
    }
}

fn unavailable(error: impl ToString) -> TlsError {
    TlsError::Unavailable(error.to_string())
}
