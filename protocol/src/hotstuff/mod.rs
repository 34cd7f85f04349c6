//! HotStuff: committees, certificates and finality.

mod certificate;
mod committee;
pub mod finality;
pub mod signer_indices;

pub use certificate::{CertificateError, QcFailure, verify_qcs};
pub use committee::{
    COMMITTEE_MEMBERS_MAX, Committee, CommitteeError, SignersError, committee_members,
};
