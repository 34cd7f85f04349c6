//! Quorum and timeout certificates.
//!
//! flow-go `consensus/hotstuff/validator` and `verification/combined_verifier_v2.go`, which every
//! role runs. What they do not look at is not looked at here either: a leader may put anything
//! there, and the rest of the committee certifies it.

use super::committee::{Committee, SignersError};
use super::signer_indices;
use crate::bls::{self, BlsError, Claim, DefaultBackend, PublicKey, Signature, tag};
use crate::codec::rlp::{Decoder, RlpError};
use crate::codec::sha3_256;
use crate::model::{Identifier, QuorumCertificate, TimeoutCertificate};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

impl Committee {
    /// Checks everything about a QC but its signatures: signers, weight and shape.
    ///
    /// # Errors
    /// When the signers are no quorum of this committee, or the signature data is malformed.
    pub fn check_qc(&self, qc: &QuorumCertificate) -> Result<(), CertificateError> {
        let signed = self.signers(&qc.signer_indices)?;
        self.check_keys(&signed)?;
        SigData::decode(&qc.sig_data, &signed).map(|_| ())
    }

    /// Checks a QC: a quorum signed the block's view and ID, and so did the random beacon.
    ///
    /// # Errors
    /// As [`Self::check_qc`], or when a signature is invalid.
    pub fn verify_qc(&self, qc: &QuorumCertificate) -> Result<(), CertificateError> {
        let claims = self.claims(qc)?;
        if bls::verify_batch(&claims) {
            return Ok(());
        }
        let [staking, beacon] = &claims;
        let holds = |claim: &Claim<'_, DefaultBackend>| {
            bls::verify(&claim.key.1, &claim.signature, claim.tag, &claim.message)
        };
        if !holds(staking) {
            Err(CertificateError::StakingSignature)
        } else if !holds(beacon) {
            Err(CertificateError::BeaconSignature)
        } else {
            // Both hold singly, so the batch must hold but for a 2^-128 accident.
            Ok(())
        }
    }

    /// Checks a TC: a quorum signed the view, each with the view of its newest QC.
    ///
    /// The newest QC inside is checked by the caller, with the committee of its own view.
    ///
    /// # Errors
    /// When the signers are no quorum of this committee, the views do not fit, or the aggregated
    /// signature is invalid.
    pub fn verify_tc(&self, tc: &TimeoutCertificate) -> Result<(), CertificateError> {
        let signed = self.signers(&tc.signer_indices)?;
        let positions: Vec<usize> =
            signed.iter().enumerate().filter(|(_, signed)| **signed).map(|(i, _)| i).collect();
        check_views(tc, positions.len())?;
        let signature = Signature::from_bytes(&tc.sig_data)?;
        let mut keys: BTreeMap<u64, Vec<&PublicKey>> = BTreeMap::new();
        for (position, view) in positions.iter().zip(&tc.newest_qc_views) {
            let key = self.key_at(*position)?;
            // onflow/crypto `VerifyBLSSignatureManyMessages` refuses it; the sum below would not.
            if key.is_identity() {
                return Err(CertificateError::TimeoutSignature);
            }
            keys.entry(*view).or_default().push(key);
        }
        let messages: Vec<_> = keys
            .iter()
            .map(|(newest, keys)| (two_words(tc.view, *newest), PublicKey::sum(keys, &[])))
            .collect();
        let messages: Vec<_> = messages.iter().map(|(m, key)| (&m[..], key)).collect();
        if bls::verify_aggregate(&signature, tag::CONSENSUS_TIMEOUT, &messages) {
            Ok(())
        } else {
            Err(CertificateError::TimeoutSignature)
        }
    }

    fn claims(
        &self,
        qc: &QuorumCertificate,
    ) -> Result<[Claim<'static, DefaultBackend>; 2], CertificateError> {
        let signed = self.signers(&qc.signer_indices)?;
        let sig_data = SigData::decode(&qc.sig_data, &signed)?;
        let message: Vec<u8> = [&qc.view.to_be_bytes()[..], &qc.block_id.0].concat();
        let staking_name = sha3_256(&[b"staking", &self.name.0, &qc.signer_indices]);
        let beacon_name = sha3_256(&[b"beacon", &self.name.0]);
        Ok([
            Claim {
                key: (staking_name, self.signers_key(&signed)?),
                signature: Signature::from_bytes(sig_data.staking)?,
                tag: tag::CONSENSUS_VOTE,
                message: message.clone(),
            },
            Claim {
                key: (beacon_name, self.beacon_key.clone()),
                signature: Signature::from_bytes(sig_data.beacon)?,
                tag: tag::RANDOM_BEACON,
                message,
            },
        ])
    }
}

/// Returns the random beacon's signature in a QC, the certified block's source of randomness
/// (flow-go `consensus/hotstuff/model.BeaconSignature`).
///
/// The certificate is not checked.
///
/// # Errors
/// When the signature data is malformed.
pub fn beacon_signature(qc: &QuorumCertificate) -> Result<&[u8], CertificateError> {
    let beacon = Decoder::new(&qc.sig_data).list(|d| {
        for _ in 0..3 {
            d.bytes()?;
        }
        d.bytes()
    })?;
    Ok(beacon)
}

/// Checks many QCs in one multi-pairing, each with its committee.
///
/// # Errors
/// Names the first QC that fails.
pub fn verify_qcs(qcs: &[(&Committee, &QuorumCertificate)]) -> Result<(), QcFailure> {
    let mut claims = Vec::with_capacity(2 * qcs.len());
    for (index, (committee, qc)) in qcs.iter().enumerate() {
        claims.extend(committee.claims(qc).map_err(|source| QcFailure { index, source })?);
    }
    if claims.is_empty() || bls::verify_batch(&claims) {
        return Ok(());
    }
    qcs.iter().enumerate().try_for_each(|(index, (committee, qc))| {
        committee.verify_qc(qc).map_err(|source| QcFailure { index, source })
    })
}

/// One view a signer, none above the newest QC's, whose view is at most the TC's.
///
/// flow-go `validator.ValidateTC`. The newest QC may be newer than every view that was signed.
fn check_views(tc: &TimeoutCertificate, signers: usize) -> Result<(), CertificateError> {
    let views = &tc.newest_qc_views;
    if views.len() != signers {
        return Err(CertificateError::NewestQcViews { expected: signers, found: views.len() });
    }
    let (newest_signed, found) =
        (views.iter().copied().max().unwrap_or_default(), tc.newest_qc.view);
    if found < newest_signed || found > tc.view {
        let view = tc.view;
        return Err(CertificateError::NewestQcView { newest_signed, view, found });
    }
    Ok(())
}

fn two_words(first: u64, second: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&first.to_be_bytes());
    bytes[8..].copy_from_slice(&second.to_be_bytes());
    bytes
}

/// The signatures inside a QC.
struct SigData<'a> {
    staking: &'a [u8],
    beacon: &'a [u8],
}

impl<'a> SigData<'a> {
    /// Reads the RLP of signature types, staking aggregate, beacon aggregate and reconstructed
    /// beacon signature.
    ///
    /// flow-go `model.SigDataPacker` and `signature.DecodeSigTypeToStakingAndBeaconSigners`. Of the
    /// types, one bit a signer, only length and padding count, for nobody asks which signer added to
    /// the beacon; the beacon aggregate is never read; and what follows the list is left unread, as
    /// Go's decoder reads a stream.
    fn decode(bytes: &'a [u8], signed: &[bool]) -> Result<Self, CertificateError> {
        let signers = signed.iter().filter(|signed| **signed).count();
        let sig_data = Decoder::new(bytes).list(|d| {
            let types = d.bytes()?;
            if !signer_indices::is_bit_vector(types, signers) {
                return Err(RlpError::Invalid { field: "signature types" });
            }
            let staking = d.bytes()?;
            let _aggregated_beacon = d.bytes()?;
            Ok(Self { staking, beacon: d.bytes()? })
        })?;
        Ok(sig_data)
    }
}

/// The QC of a batch that fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("qc {index}: {source}")]
pub struct QcFailure {
    /// Its position.
    pub index: usize,
    /// Why.
    pub source: CertificateError,
}

/// Why a certificate fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The signers are no quorum of the committee.
    #[error(transparent)]
    Signers(#[from] SignersError),
    /// The signature data is malformed.
    #[error("signature data: {0}")]
    SigData(#[from] RlpError),
    /// A signature is no point of the curve.
    #[error(transparent)]
    Point(#[from] BlsError),
    /// The aggregated staking signature is wrong.
    #[error("the signers' staking signature is invalid")]
    StakingSignature,
    /// The random beacon signature is wrong.
    #[error("the random beacon signature is invalid")]
    BeaconSignature,
    /// The aggregated timeout signature is wrong.
    #[error("the signers' timeout signature is invalid")]
    TimeoutSignature,
    /// Not one view a signer.
    #[error("views of newest qcs: expected {expected}, one a signer, found {found}")]
    NewestQcViews {
        /// Number of signers.
        expected: usize,
        /// Number of views.
        found: usize,
    },
    /// The newest QC is older than a view signed, or newer than the TC.
    #[error("newest qc: expected a view from {newest_signed} to {view}, found {found}")]
    NewestQcView {
        /// Newest view signed.
        newest_signed: u64,
        /// View of the TC.
        view: u64,
        /// View of the newest QC.
        found: u64,
    },
    /// A signer has no staking key, so that nothing it signs can be checked.
    #[error("signer {node_id} has no staking key")]
    SignerWithoutKey {
        /// The signer.
        node_id: Identifier,
    },
}
