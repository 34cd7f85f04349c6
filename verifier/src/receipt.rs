//! Whether a receipt is a server's word on an answer.

use ed25519_dalek::{Signature, VerifyingKey};
use weir_protocol::codec::sha3_256;
use weir_protocol::evidence::Receipt;
use weir_protocol::request::Request;

/// Checks that the holder of the receipt's key signed that it gave `answer`, bytes of evidence, to
/// `request`. Whose key it is, the caller has to know.
///
/// # Errors
/// When the receipt is about another request or answer, or the signature is not valid.
pub fn check_receipt(
    receipt: &Receipt,
    request: &Request,
    answer: &[u8],
) -> Result<(), ReceiptError> {
    let statement = &receipt.statement;
    if statement.request_id != request.id() {
        return Err(ReceiptError::Request);
    }
    if statement.answer_hash != sha3_256(&[answer]) {
        return Err(ReceiptError::Answer);
    }
    let key = VerifyingKey::from_bytes(&receipt.key).map_err(|_| ReceiptError::Signature)?;
    let signature = Signature::from_bytes(&receipt.signature);
    // Strict: no key of small order, and one signature only is the right one.
    key.verify_strict(&statement.signed_bytes(), &signature).map_err(|_| ReceiptError::Signature)
}

/// Why a receipt shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// It is about another request.
    #[error("the receipt is about another request")]
    Request,
    /// It is about another answer.
    #[error("the receipt is about another answer")]
    Answer,
    /// Its key did not sign it.
    #[error("the receipt's signature is not valid")]
    Signature,
}
