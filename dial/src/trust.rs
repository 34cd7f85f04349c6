//! Whom a connection with TLS trusts, and what it shows of itself.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
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
    shown: Option<Arc<Shown>>,
}

#[derive(Debug)]
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
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
        let shown = Shown { chain: certificates(chain)?, key: secret_key(key)? };
        let (builder, shown) = (builder(RootCertStore::empty()), Arc::new(shown));
        let together = builder.with_client_auth_cert(shown.chain.clone(), shown.key.clone_key());
        together.map_err(|error| PemError::new(key, error))?;
        Ok(Self { shown: Some(shown), ..self })
    }

    /// The configuration of connections to servers that authorities vouch for.
    ///
    /// # Errors
    /// When the platform has no authorities, or they cannot be read.
    pub(crate) fn config(&self) -> Result<ClientConfig, Error> {
        let authorities = match &self.authorities {
            Some(authorities) => Arc::clone(authorities),
            None => platform()?,
        };
        self.finish(builder(authorities))
    }

    /// The configuration of connections to the access node with this networking key.
    pub(crate) fn config_of(&self, key: NetworkKey) -> Result<ClientConfig, Error> {
        let verifier = Arc::new(Pin { key, provider: provider() });
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = self.finish(builder)?;
        // A resumed session shows no certificate.
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    fn finish(&self, builder: Builder) -> Result<ClientConfig, Error> {
        let mut config = match self.shown.as_deref() {
            Some(Shown { chain, key }) => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key())?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(config)
    }
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn builder(authorities: impl Into<Arc<RootCertStore>>) -> Builder {
    let builder =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.unwrap_or_else(|_| unreachable!("the provider has both versions"));
    builder.with_root_certificates(authorities)
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
pub(crate) const HTTP2: &[u8] = b"h2";
