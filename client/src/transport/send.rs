//! One request to one server, and what comes back.

use tonic::Response;
use tonic::codegen::Bytes;
use weir_proto::convert::request_to_wire;
use weir_protocol::evidence::{RECEIPT_METADATA, Receipt};
use weir_protocol::request::Request;
use weir_verifier::check_receipt;

use super::{Reply, Server, TransportError, in_time};

impl Server {
    /// Sends a request, and returns the evidence or proof with the server's receipt.
    ///
    /// # Errors
    /// When the server does not answer or refuses; or gives no receipt of the key that it is known
    /// by ([`Self::connect`]).
    pub async fn send(&mut self, request: &Request) -> Result<Reply, TransportError> {
        let answer = self.evidence.send(request_to_wire(request));
        let answer = in_time(self.request_timeout, answer).await;
        let Reply { bytes, receipt } = reply(answer.map_err(|status| self.refused(status))?);
        let is_valid = |receipt: &Receipt| check_receipt(receipt, request, &bytes).is_ok();
        let receipt = receipt.filter(is_valid);
        match (self.key, &receipt) {
            (Some(key), Some(receipt)) if receipt.key == key => {}
            (None, _) => {}
            _ => return Err(TransportError::NoReceipt { url: self.url.clone() }),
        }
        Ok(Reply { bytes, receipt })
    }
}

/// The evidence of an answer, and a receipt, if it can be read.
fn reply(answer: Response<Bytes>) -> Reply {
    let receipt = answer.metadata().get_bin(RECEIPT_METADATA).and_then(|receipt| {
        let bytes = receipt.to_bytes().ok()?;
        Receipt::from_bytes(&bytes).ok()
    });
    Reply { bytes: answer.into_inner().into(), receipt }
}
