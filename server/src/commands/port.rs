//! Where a command serves.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use weir_admission::{Files, Limits, Port, Tls};

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
    /// The port that `--listen` names, with TLS if it is asked for.
    pub(super) async fn port(&self, listen: SocketAddr) -> anyhow::Result<Port> {
        let listener = bind(listen, "--listen").await?;
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

/// Listens where an option says.
pub(super) async fn bind(listen: SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; is the port in use? pick another with {option}")
    })
}

/// The beginning of a port's URL.
pub(super) fn scheme(port: &Port) -> &'static str {
    if port.tls.is_some() { "https" } else { "http" }
}
