//! The options about TLS of what is served.

use std::path::PathBuf;

use clap::Args;
use tokio::net::TcpListener;
use weir_admission::{Files, Limits, Port, Tls};
use weir_dial::PemError;

/// What is shown to clients.
#[derive(Debug, Args)]
pub(super) struct Serving {
    /// Speak TLS, and show the certificates of this PEM file, the own one first; read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Secret key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve clients alone that show a certificate of the authorities in this PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
}

impl Serving {
    /// A listener's port, with TLS if it is asked for.
    pub(super) fn port(&self, listener: TcpListener) -> Result<Port, PemError> {
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(chain), Some(key)) => {
                let (chain, key) = (chain.clone(), key.clone());
                let client_authorities = self.client_ca.clone();
                Some(Tls::of_files(Files { chain, key, client_authorities })?)
            }
            _ => None,
        };
        Ok(Port { listener, limits: Limits::default(), tls })
    }
}

/// The beginning of a port's URL.
pub(super) fn scheme(port: &Port) -> &'static str {
    if port.tls.is_some() { "https" } else { "http" }
}
