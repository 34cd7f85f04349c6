//! Whom a connection with TLS trusts, and what it shows of itself.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use crate::network_key::{NetworkKey, PinError, read};
use crate::pem::{PemError, certificates, secret_key};

/// Whom connections with TLS trust: the platform's authorities, unless others are named; and what they
/// show of themselves, where a server asks.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    authorities: Option<Arc<RootCertStore>>,
    shown: Option<Arc<SingleCertAndKey>>,
}

impl Trust {
    /// Trusts the authorities in a PEM file, and nobody else.
    ///
    /// # Errors
    /// When the file cannot be read, or has no certificate that can be an authority.
    pub fn in_authorities(self, file: &Path) -> Result<Self, PemError> {
        Ok(Self { authorities: Some(Arc::new(authorities(file)?)), ..self })
    }

    /// Shows the certificates of a PEM file, the own one first, to servers that ask, with its secret key
    /// in another file.
    ///
    /// # Errors
    /// When a file cannot be read, or the key is not that of the certificate.
    pub fn showing(self, chain: &Path, key: &Path) -> Result<Self, PemError> {
        let (chain, secret) = (certificates(chain)?, secret_key(key)?);
        let shown = CertifiedKey::from_der(chain, secret, &provider());
        let shown = SingleCertAndKey::from(shown.map_err(|error| PemError::new(key, error))?);
        Ok(Self { shown: Some(Arc::new(shown)), ..self })
    }

    /// The configuration of connections: to the access node with a networking key, or else to servers that
    /// authorities vouch for.
    ///
    /// # Errors
    /// When the platform has no authorities, or they cannot be read.
    pub(crate) fn config(&self, key: Option<NetworkKey>) -> Result<ClientConfig, Error> {
        let builder = match key {
            Some(key) => pinned(key)?,
            None => {
                let authorities = self.authorities.clone().map_or_else(platform, Ok)?;
                ClientConfig::builder_with_provider(provider())
                    .with_safe_default_protocol_versions()?
                    .with_root_certificates(authorities)
            }
        };
        let mut config = match &self.shown {
            Some(shown) => builder.with_client_cert_resolver(shown.clone()),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![HTTP2.to_vec()];
        // A resumed session shows no certificate.
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn pinned(key: NetworkKey) -> Result<Builder, Error> {
    let verifier = Arc::new(Pin { key, provider: provider() });
    Ok(ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier))
}

/// The cryptography of all TLS here.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())))
}

/// The platform's authorities, which are read when they are first needed.
fn platform() -> Result<Arc<RootCertStore>, Error> {
    static PLATFORM: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let found = rustls_native_certs::load_native_certs();
        for error in found.errors {
            tracing::warn!(%error, "authorities that this machine trusts cannot be read");
        }
        let mut authorities = RootCertStore::empty();
        authorities.add_parsable_certificates(found.certs);
        Arc::new(authorities)
    };
    let authorities = PLATFORM.get_or_init(read);
    if authorities.is_empty() {
        return Err(Error::General(
            "this machine names no authorities to trust; install ca-certificates, or name them with \
             --ca"
                .into(),
        ));
    }
    Ok(Arc::clone(authorities))
}

/// The authorities in a PEM file.
///
/// # Errors
/// When the file cannot be read, or has no certificate that can be an authority.
pub fn authorities(file: &Path) -> Result<RootCertStore, PemError> {
    let mut authorities = RootCertStore::empty();
    for certificate in certificates(file)? {
        authorities.add(certificate).map_err(|error| PemError::new(file, error))?;
    }
    Ok(authorities)
}

/// Trusts the one node with a networking key.
#[derive(Debug)]
struct Pin {
    key: NetworkKey,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let checked = self.key.check(end_entity, intermediates, now);
        checked.map(|()| ServerCertVerified::assertion()).map_err(refused)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // It is not offered.
        Err(rustls::PeerIncompatible::Tls12NotOfferedOrEnabled.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let certificate = read(certificate).map_err(refused)?;
        // By the key alone: webpki refuses certificates that flow-go takes.
        let key = SubjectPublicKeyInfoDer::from(certificate.public_key().raw);
        let supported = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signature, supported)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn refused(error: PinError) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}

/// HTTP/2, as TLS names it.
pub const HTTP2: &[u8] = b"h2";
