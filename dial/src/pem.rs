//! Files in PEM, with certificates or a secret key.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

/// The certificates of a file: at least one.
///
/// # Errors
/// When the file cannot be read, or has none.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let read: Vec<_> = read.map_err(|error| PemError::new(file, error))?;
    if read.is_empty() {
        Err(PemError::new(file, "it has no certificate in PEM"))
    } else {
        Ok(read)
    }
}

/// The secret key of a file, in PKCS #8, PKCS #1 or SEC1.
///
/// # Errors
/// When the file cannot be read, or has none.
pub fn secret_key(file: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| PemError::new(file, error))
}

/// A file is not what it is to be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {reason}", file.display())]
pub struct PemError {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub reason: String,
}

impl PemError {
    /// The file is not what it is to be, for a reason.
    #[must_use]
    pub fn new(file: &Path, reason: impl ToString) -> Self {
        Self { file: file.to_path_buf(), reason: reason.to_string() }
    }
}
