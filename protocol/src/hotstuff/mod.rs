//! HotStuff: committees, leaders, certificates and finality.

mod certificate;
mod committee;
pub mod finality;
mod leader_selection;
pub mod signer_indices;

pub use certificate::{CertificateError, QcFailure, beacon_signature, verify_qcs};
pub use committee::{
    COMMITTEE_MEMBERS_MAX, Committee, CommitteeError, SignersError, committee_members,
};
pub use leader_selection::{LeaderSelection, LeaderSelectionError};
