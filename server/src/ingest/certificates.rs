//! Certificates of a batch of blocks.
//!
//! Every header carries its parent's quorum certificate. Pairings are expensive, and most are not
//! needed: whoever signed a certificate for a block checked the certificates inside it. So a claim
//! carried by a block is vouched for when that block is itself certified, in the same batch and by
//! the same committee, by a claim that holds. Across an epoch boundary nothing is vouched for: the
//! later committee is only known through the blocks in question.

use std::collections::HashSet;
use std::sync::Arc;

use weir_protocol::hotstuff::{self, CertificateError, Committee};
use weir_protocol::model::{Identifier, QuorumCertificate, TimeoutCertificate};

use super::{IngestError, Rule};

/// What a block claims by the certificates it carries.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The block that carries the certificates.
    pub carrier_id: Identifier,
    /// Its height.
    pub carrier_height: u64,
    /// Its view.
    pub carrier_view: u64,
    /// The certificate of its parent.
    pub qc: QuorumCertificate,
    /// The committee of the parent.
    pub committee: Arc<Committee>,
    /// The timeout certificate, if it carries one.
    pub tc: Option<TimeoutClaim>,
}

/// A timeout certificate and who must have signed it.
#[derive(Clone, Debug)]
pub struct TimeoutClaim {
    /// The certificate.
    pub tc: TimeoutCertificate,
    /// Committee of the view that timed out.
    pub committee: Arc<Committee>,
    /// Committee of the newest QC inside.
    pub newest_qc_committee: Arc<Committee>,
}

/// Which certificates to check with pairings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thoroughness {
    /// Those that nothing in the batch vouches for.
    Unvouched,
    /// All of them.
    All,
}

/// Checks the claims of a batch, given in the order of their blocks.
///
/// # Errors
/// On the first block, in that order, whose certificate fails.
pub fn verify(claims: &[Claim], thoroughness: Thoroughness) -> Result<(), IngestError> {
    let selected: Vec<&Claim> = match thoroughness {
        Thoroughness::All => claims.iter().collect(),
        Thoroughness::Unvouched => unvouched(claims),
    };
    match verify_selected(&selected) {
        Ok(()) => Ok(()),
        // Something is wrong: look at each, to name the first.
        Err(error) => Err(verify_each(claims).err().unwrap_or(error)),
    }
}

/// Claims that nothing vouches for: no claim by the same committee certifies their carrier, and no
/// claim that is vouched for carries the very same certificate, as siblings may.
fn unvouched(claims: &[Claim]) -> Vec<&Claim> {
    let certified: HashSet<(Identifier, *const Committee)> =
        claims.iter().map(|claim| (claim.qc.block_id, Arc::as_ptr(&claim.committee))).collect();
    let (vouched, unvouched): (Vec<&Claim>, Vec<&Claim>) = claims
        .iter()
        .partition(|claim| certified.contains(&(claim.carrier_id, Arc::as_ptr(&claim.committee))));
    let known: HashSet<(&[u8], Identifier)> =
        vouched.iter().map(|claim| (&claim.qc.sig_data[..], claim.qc.block_id)).collect();
    let repeated = |claim: &Claim| {
        claim.tc.is_none()
            && known.contains(&(&claim.qc.sig_data[..], claim.qc.block_id))
            && vouched.iter().any(|other| other.qc == claim.qc)
    };
    unvouched.into_iter().filter(|claim| !repeated(claim)).collect()
}

fn verify_selected(claims: &[&Claim]) -> Result<(), IngestError> {
    for batch in claims.chunks(QCS_MAX) {
        let pairs: Vec<_> = batch.iter().map(|claim| (&*claim.committee, &claim.qc)).collect();
        hotstuff::verify_qcs(&pairs)
            .map_err(|failure| qc_failure(batch[failure.index], failure.source))?;
    }
    claims.iter().try_for_each(|claim| verify_tc(claim))
}

fn verify_each(claims: &[Claim]) -> Result<(), IngestError> {
    claims.iter().try_for_each(|claim| {
        claim.committee.verify_qc(&claim.qc).map_err(|source| qc_failure(claim, source))?;
        verify_tc(claim)
    })
}

fn verify_tc(claim: &Claim) -> Result<(), IngestError> {
    let Some(TimeoutClaim { tc, committee, newest_qc_committee }) = &claim.tc else {
        return Ok(());
    };
    let failure = |source| broken(claim, Rule::TimeoutCertificate { view: tc.view, source });
    committee.verify_tc(tc).map_err(failure)?;
    if tc.newest_qc == claim.qc {
        return Ok(());
    }
    newest_qc_committee.verify_qc(&tc.newest_qc).map_err(failure)
}

fn qc_failure(claim: &Claim, source: CertificateError) -> IngestError {
    broken(claim, Rule::QuorumCertificate { block_id: claim.qc.block_id, source })
}

fn broken(claim: &Claim, rule: Rule) -> IngestError {
    IngestError {
        block_id: claim.carrier_id,
        height: claim.carrier_height,
        view: claim.carrier_view,
        rule: Box::new(rule),
    }
}

/// Certificates in one multi-pairing.
const QCS_MAX: usize = 64;
