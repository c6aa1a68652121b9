//! Certificates that tests make for themselves.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};

use crate::options::PeerTlsFiles;

/// Who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM form.
pub struct Issued {
    /// The certificate, and those between it and the authority.
    pub chain: String,
    /// Its private key.
    pub key: String,
}

impl Authority {
    /// An authority that nobody has signed.
    pub fn new(name: &str) -> Self {
        let issuer = CertifiedIssuer::self_signed(authority(name), key());
        Self(issuer.expect("an authority"))
    }

    /// Its certificate, in PEM form.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a node that is reached under `names`.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(names, |_| {})
    }

    /// As [`issue`](Self::issue), with something about it changed.
    pub fn issue_with(&self, names: &[&str], change: impl Fn(&mut CertificateParams)) -> Issued {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).expect("names");
        change(&mut params);
        let key = key();
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Issued {
            chain: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A certificate that an authority between this one and the node has signed.
    pub fn issue_indirectly(&self, names: &[&str]) -> Issued {
        self.issue_through(1, names)
    }

    /// A certificate with so many authorities between this one and the node.
    pub fn issue_through(&self, between: usize, names: &[&str]) -> Issued {
        if between == 0 {
            return self.issue(names);
        }
        let next = CertifiedIssuer::signed_by(authority("between"), key(), &self.0);
        let next = Self(next.expect("an authority"));
        let mut issued = next.issue_through(between - 1, names);
        issued.chain.push_str(&next.pem());
        issued
    }

    /// Writes what a node needs to `folder`: its certificate, its key, and this authority's certificate.
    pub fn files(&self, folder: &Path, issued: &Issued) -> PeerTlsFiles {
        let write = |name: &str, text: &str| -> PathBuf {
            let file = folder.join(name);
            fs::write(&file, text).expect("a file");
            file
        };
        PeerTlsFiles {
            cert: write("cert.pem", &issued.chain),
            key: write("key.pem", &issued.key),
            ca: write("ca.pem", &self.pem()),
        }
    }
}

/// Makes a certificate one of the past.
pub fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
}

/// Makes a certificate one for servers only.
pub fn for_servers(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
}

/// Makes a certificate one for clients only.
pub fn for_clients(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
}

/// Makes a certificate one for servers and clients both.
pub fn for_both(params: &mut CertificateParams) {
    for_servers(params);
    params
        .extended_key_usages
        .push(ExtendedKeyUsagePurpose::ClientAuth);
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
