//! The options of programs that ask servers.

use std::path::PathBuf;

use clap::Args;

use crate::channel::Dialer;
use crate::pem::PemError;
use crate::trust::Trust;

/// Whom to trust, and what to show, where `https://` is asked.
#[derive(Clone, Debug, Args)]
pub struct Asking {
    /// Trust the authorities in this PEM file for https://, instead of this machine's
    #[arg(long, value_name = "FILE", env = "WEIR_CA", global = true)]
    ca: Option<PathBuf>,
    /// Show the certificates of this PEM file where https:// asks for one
    #[arg(long, value_name = "FILE", requires = "client_key", global = true)]
    client_cert: Option<PathBuf>,
    /// Secret key of --client-cert, in PEM
    #[arg(long, value_name = "FILE", requires = "client_cert", global = true)]
    client_key: Option<PathBuf>,
}

impl Asking {
    /// Connects as the options say.
    ///
    /// # Errors
    /// When a file is not what it is to be.
    pub fn dialer(&self) -> Result<Dialer, PemError> {
        let mut trust = Trust::default();
        if let Some(file) = &self.ca {
            trust = trust.in_authorities(file)?;
        }
        if let (Some(chain), Some(key)) = (&self.client_cert, &self.client_key) {
            trust = trust.showing(chain, key)?;
        }
        Ok(Dialer::new(trust))
    }
}
