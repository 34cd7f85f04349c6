//! The rules on headers and questions, each a predicate of its own.

use super::{NotYet, Rejection, Trust, Violation};
use weir_protocol::codec::{self, Entity};
use weir_protocol::model::{Header, PayloadRoots, QuorumCertificate};
use weir_protocol::request::{Question, Selector};

/// The answer is for the question that was asked.
pub(super) fn answers_the_question(asked: &Question, found: &Question) -> Result<(), Violation> {
    if asked == found { Ok(()) } else { Err(Violation::AnotherQuestion) }
}

/// The roots are those the header commits to (flow-go `flow.Payload.Hash`).
pub(super) fn payload_hash(header: &Header, roots: &PayloadRoots) -> Result<(), Violation> {
    let found = codec::payload_hash(roots);
    if found == header.payload_hash {
        return Ok(());
    }
    Err(Violation::PayloadHash { block_id: header.id(), expected: header.payload_hash, found })
}

/// `child` continues `parent`: hash link, height, views and chain.
pub(super) fn continues(parent: &Header, child: &Header) -> Result<(), Violation> {
    let broken = |field| Err(Violation::HeaderLink { height: child.height, field });
    if child.parent_id != parent.id() {
        return broken("parent id");
    }
    if parent.height.checked_add(1) != Some(child.height) {
        return broken("height");
    }
    if child.parent_view != parent.view || child.view <= parent.view {
        return broken("view");
    }
    if child.chain_id != parent.chain_id {
        return broken("chain id");
    }
    Ok(())
}

/// The certificate is for this header.
pub(super) fn certifies(qc: &QuorumCertificate, header: &Header) -> Result<(), Violation> {
    let expected = header.id();
    if qc.block_id != expected || qc.view != header.view {
        return Err(Violation::CertificateBlock { expected, found: qc.block_id });
    }
    Ok(())
}

/// The block is the one selected, and proved as far as the selection demands.
pub(super) fn selected_block(
    selector: Selector,
    header: &Header,
    trust: Trust,
) -> Result<(), Rejection> {
    let block_id = header.id();
    let height = header.height;
    match selector {
        Selector::Id(expected) if expected != block_id => {
            Err(Violation::AnotherBlock { expected, found: block_id }.into())
        }
        Selector::Height(expected) if expected != height => {
            Err(Violation::AnotherHeight { expected, found: height }.into())
        }
        Selector::LatestSealed if trust < Trust::Sealed => {
            Err(NotYet::Seal { block_id, height }.into())
        }
        Selector::Height(_) | Selector::LatestFinalized if trust < Trust::Finalized => {
            Err(NotYet::Finality { block_id, height }.into())
        }
        _ => Ok(()),
    }
}
