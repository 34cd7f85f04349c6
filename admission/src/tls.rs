//! What a server shows of itself in TLS, and whom it asks to.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// A certificate and a key cannot be used.
pub use rustls::Error as TlsError;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use weir_dial::pem::{PemError, certificates, secret_key};
use weir_dial::{HTTP2, authorities, provider};

/// What a server shows of itself in TLS, and whom it asks to do so, too.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Fixed(Arc<ServerConfig>),
    Files(Files, Mutex<Read>),
}

/// Files in PEM that may be replaced at any time.
#[derive(Clone, Debug)]
pub struct Files {
    /// The server's certificate, and those between it and an authority.
    pub chain: PathBuf,
    /// The secret key of the server's certificate.
    pub key: PathBuf,
    /// The authorities of which clients have to show a certificate, if they have to show one.
    pub client_authorities: Option<PathBuf>,
}

#[derive(Debug)]
struct Read {
    config: Arc<ServerConfig>,
    /// What the files were when they were read.
    when: Vec<Option<State>>,
}

/// When a file was changed, and how long it is.
type State = (SystemTime, u64);

impl Tls {
    /// Shows what is in files; a file that changes is read again before the next connection. When what is
    /// there then cannot be used, what was read before goes on, and the log says so.
    ///
    /// # Errors
    /// When a file cannot be read, or certificate and key do not belong together.
    pub fn of_files(files: Files) -> Result<Self, PemError> {
        let when = files.state();
        let config = Arc::new(files.read()?);
        Ok(Self(Arc::new(Kind::Files(files, Mutex::new(Read { config, when })))))
    }

    /// Shows one certificate, in TLS 1.3 alone, as Flow's access nodes do (flow-go
    /// `utils/grpcutils/grpc.go`).
    ///
    /// # Errors
    /// When the key is not that of the certificate.
    pub fn of_certificate(
        certificate: CertificateDer<'static>,
        pkcs8_key: Vec<u8>,
    ) -> Result<Self, TlsError> {
        let key = PrivateKeyDer::Pkcs8(pkcs8_key.into());
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        Ok(Self(Arc::new(Kind::Fixed(Arc::new(offering(config, &[HTTP2]))))))
    }

    /// What to begin a connection with.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        match &*self.0 {
            Kind::Fixed(config) => Arc::clone(config),
            Kind::Files(files, read) => {
                files.renewed(&mut read.lock().unwrap_or_else(PoisonError::into_inner))
            }
        }
    }
}

impl Files {
    fn renewed(&self, read: &mut Read) -> Arc<ServerConfig> {
        let when = self.state();
        if when != read.when {
            read.when = when;
            match self.read() {
                Ok(config) => {
                    tracing::info!(chain = %self.chain.display(), "read the changed certificate");
                    read.config = Arc::new(config);
                }
                Err(error) => tracing::error!(%error, "goes on with the certificate of before"),
            }
        }
        Arc::clone(&read.config)
    }

    fn read(&self) -> Result<ServerConfig, PemError> {
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| PemError::new(&self.chain, error))?;
        let builder = match &self.client_authorities {
            Some(file) => {
                let roots = Arc::new(authorities(file)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
                let verifier = verifier.build().map_err(|error| PemError::new(file, error))?;
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let config = builder.with_single_cert(certificates(&self.chain)?, secret_key(&self.key)?);
        let config = config.map_err(|error| PemError::new(&self.key, error))?;
        Ok(offering(config, &[HTTP2, HTTP1]))
    }

    fn state(&self) -> Vec<Option<State>> {
        let state = |file: &Path| {
            let metadata = fs::metadata(file).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        let files = [&self.chain, &self.key].into_iter().chain(&self.client_authorities);
        files.map(|file| state(file)).collect()
    }
}

fn offering(mut config: ServerConfig, protocols: &[&[u8]]) -> ServerConfig {
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

/// For pages that are served by what speaks no HTTP/2.
const HTTP1: &[u8] = b"http/1.1";
