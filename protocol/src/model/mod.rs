//! Flow's entities as plain values: blocks, certificates, epochs and the protocol state.
//!
//! Nothing here judges a value; rules live in [`crate::hotstuff`] and [`crate::protocol_state`].

mod block;
mod byte_strings;
mod certificate;
mod clusters;
mod epoch;
mod execution;
mod identifier;
mod participants;
mod service_event;
mod state;
mod versions;

pub use block::{Block, CollectionGuarantee, Header, Payload, PayloadRoots};
pub use byte_strings::ByteStrings;
pub use certificate::{QuorumCertificate, TimeoutCertificate};
pub use clusters::Clusters;
pub(crate) use clusters::grow;
pub use epoch::{
    BLS_PUBLIC_KEY_LEN, BlsPublicKey, ClusterQcVoteData, EpochCommit, EpochRecover, EpochSetup,
    IdentitySkeleton, NETWORK_KEY_LEN, NetworkKey, RANDOM_SOURCE_LEN, Role,
};
pub use execution::{AggregatedSignature, Chunk, ExecutionReceiptStub, ExecutionResult, Seal};
pub(crate) use identifier::hex_text;
pub use identifier::{Identifier, IdentifierError};
pub use participants::Participants;
pub use service_event::{ServiceEvent, VersionBeacon, VersionBoundary};
pub use state::{
    DynamicIdentityEntry, EpochExtension, EpochPhase, EpochStateContainer, EpochStateEntry,
    ExecutionMeteringParameters, ExecutionParameters, KvStore, MagnitudeVersion, UpdatableField,
    ViewBasedActivator,
};
pub use versions::{
    FUTURE_KV_STORE_VERSION, KV_STORE_VERSION_MAX, SIMULATED_KV_STORE_VERSION, Versions,
};
