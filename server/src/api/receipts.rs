//! Receipts: the server's signed word that it gave an answer (`docs/servers.md`).

use std::fmt;
use std::sync::Arc;

use ed25519_dalek::{Signer as _, SigningKey};
use tonic::Response;
use tonic::metadata::MetadataValue;
use weir_protocol::evidence::{RECEIPT_METADATA, Receipt, Statement};

/// Signs receipts; cheap to clone.
#[derive(Clone)]
pub struct Signer(Arc<SigningKey>);

impl Signer {
    /// Signs with this secret ed25519 key, 32 bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(Arc::new(SigningKey::from_bytes(secret)))
    }

    /// The public key, 32 bytes, by which clients know the server.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The receipt that says this.
    #[must_use]
    pub fn sign(&self, statement: Statement) -> Receipt {
        let signature = self.0.sign(&statement.signed_bytes()).to_bytes();
        Receipt { statement, key: self.public_key(), signature }
    }
}

/// Without the secret.
impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.0.verifying_key()).finish()
    }
}

/// An answer with its receipt.
pub fn with_receipt<T>(message: T, receipt: Option<&Receipt>) -> Response<T> {
    let mut response = Response::new(message);
    if let Some(receipt) = receipt {
        let bytes = MetadataValue::from_bytes(&receipt.to_bytes());
        response.metadata_mut().insert_bin(RECEIPT_METADATA, bytes);
    }
    response
}
