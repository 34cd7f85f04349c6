//! An authority for TLS, and what it vouches for.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// An authority, and the files of those that it vouches for.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one, trusted by nobody yet.
    ///
    /// # Panics
    /// When there is no place for files.
    #[must_use]
    pub fn make() -> Self {
        let folder = tempfile::tempdir().expect("certificates and files are made");
        let (key, mut params) = (
            KeyPair::generate().expect("certificates and files are made"),
            CertificateParams::default(),
        );
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(
            folder.path().join("ca.pem"),
            params.self_signed(&key).expect("certificates and files are made").pem(),
        )
        .expect("certificates and files are made");
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// Writes the certificate of this machine, as server and as client, and its key.
    ///
    /// # Panics
    /// When there is no place for files.
    pub fn vouch(&self) {
        let mut params = CertificateParams::new(vec!["127.0.0.1".into()])
            .expect("certificates and files are made");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("certificates and files are made");
        let certificate =
            params.signed_by(&key, &self.issuer).expect("certificates and files are made");
        fs::write(self.folder.path().join("cert.pem"), certificate.pem())
            .expect("certificates and files are made");
        fs::write(self.folder.path().join("key.pem"), key.serialize_pem())
            .expect("certificates and files are made");
    }

    /// One of its files: `ca.pem`, `cert.pem`, `key.pem`.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// `--tls-cert` and `--tls-key`.
    #[must_use]
    pub fn shown(&self) -> Vec<String> {
        vec!["--tls-cert".into(), self.file("cert.pem"), "--tls-key".into(), self.file("key.pem")]
    }

    /// `--ca`.
    #[must_use]
    pub fn trusted(&self) -> Vec<String> {
        vec!["--ca".into(), self.file("ca.pem")]
    }

    /// `--client-cert` and `--client-key`.
    #[must_use]
    pub fn as_client(&self) -> Vec<String> {
        let (chain, key) = (self.file("cert.pem"), self.file("key.pem"));
        vec!["--client-cert".into(), chain, "--client-key".into(), key]
    }
}
