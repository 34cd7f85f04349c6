//! Versions of the protocol state, and which networks may run which.
//!
//! Flow counts its versions by one. Besides those this crate knows two versions that are not Flow's,
//! for simulated networks alone: one that commits the snapshot tree's root
//! (`docs/proposals/snapshot-tree-in-kv-store.md`), and one that stands for a version to come.

/// Flow's highest version of the key-value store that this crate knows.
pub const KV_STORE_VERSION_MAX: u64 = 3;

/// The simulated version whose key-value store commits the snapshot tree's root; not Flow's.
///
/// A million away from the version it follows plus one, so that neither is mistaken for the other:
/// at two upgrades a year Flow gets there in half a million years.
pub const SIMULATED_KV_STORE_VERSION: u64 = 1_000_000 + KV_STORE_VERSION_MAX + 1;

/// The version after Flow's highest, as a simulated network plays it that is ahead of this crate; not
/// Flow's, whose next version will have a form of its own.
///
/// It has the fields of the version before it, wrapped once more. Only [`Versions::Future`] includes it.
pub const FUTURE_KV_STORE_VERSION: u64 = KV_STORE_VERSION_MAX + 1;

/// Which versions a network may run, or somebody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Flow's.
    Flow,
    /// Flow's, and [`SIMULATED_KV_STORE_VERSION`] after the highest of them.
    Simulated,
    /// Those of a simulated network, and [`FUTURE_KV_STORE_VERSION`]: for networks that play the
    /// future, and for servers that play their part. No chain ID stands for it, so that everybody else
    /// meets a version that they do not know.
    Future,
}

impl Versions {
    /// Those of the network with this chain ID.
    ///
    /// Every ID that begins with `flow-` is Flow's to give (flow-go `model/flow/chain.go`), also to
    /// networks on one's own machine; the others are simulated.
    #[must_use]
    pub fn of_chain(chain_id: &str) -> Self {
        if chain_id.starts_with(FLOW_CHAIN_ID_PREFIX) { Self::Flow } else { Self::Simulated }
    }

    /// Those whose form may stand in a file of the network with this chain ID: more than anybody knows
    /// who is not told to, where it is simulated.
    #[must_use]
    pub fn written_on_chain(chain_id: &str) -> Self {
        match Self::of_chain(chain_id) {
            Self::Flow => Self::Flow,
            Self::Simulated | Self::Future => Self::Future,
        }
    }

    /// Whether the network may run this version.
    #[must_use]
    pub fn include(self, version: u64) -> bool {
        match version {
            0..=KV_STORE_VERSION_MAX => true,
            SIMULATED_KV_STORE_VERSION => self != Self::Flow,
            FUTURE_KV_STORE_VERSION => self == Self::Future,
            _ => false,
        }
    }

    /// Whether an upgrade may lead from one version to the other.
    ///
    /// Flow's rule is that versions grow by one (flow-go
    /// `state/protocol/protocol_state/kvstore/upgrade_statemachine.go`); whether the version is
    /// known is another question.
    #[must_use]
    pub fn follow(self, version: u64, next: u64) -> bool {
        version.checked_add(1) == Some(next)
            || (self.include(next)
                && next == SIMULATED_KV_STORE_VERSION
                && version == KV_STORE_VERSION_MAX)
    }
}

/// How the ID of every chain of Flow's begins.
const FLOW_CHAIN_ID_PREFIX: &str = "flow-";

#[cfg(test)]
mod tests {
    use super::*;

    #[bounded::test]
    fn no_chain_of_flow_has_the_simulated_version() {
        let flow = ["mainnet", "testnet", "previewnet", "sandboxnet", "localnet", "emulator"];
        for name in flow {
            let versions = Versions::of_chain(&alloc::format!("flow-{name}"));
            assert_eq!(versions, Versions::Flow);
            assert!(versions.include(3) && !versions.include(4));
            assert!(!versions.include(SIMULATED_KV_STORE_VERSION));
            assert!(!versions.follow(3, SIMULATED_KV_STORE_VERSION));
        }
        let versions = Versions::of_chain("weir-devnet");
        assert!(versions.include(SIMULATED_KV_STORE_VERSION) && !versions.include(4));
        assert!(versions.follow(3, SIMULATED_KV_STORE_VERSION) && versions.follow(3, 4));
        assert!(!versions.follow(2, SIMULATED_KV_STORE_VERSION) && !versions.follow(3, 5));
        assert!(!versions.follow(SIMULATED_KV_STORE_VERSION, 4));
    }

    #[bounded::test]
    fn no_chain_has_the_version_to_come() {
        for chain_id in ["flow-mainnet", "flow-localnet", "weir-devnet"] {
            assert!(!Versions::of_chain(chain_id).include(FUTURE_KV_STORE_VERSION), "{chain_id}");
        }
        assert!(Versions::Future.include(FUTURE_KV_STORE_VERSION));
        assert!(Versions::Future.follow(KV_STORE_VERSION_MAX, FUTURE_KV_STORE_VERSION));
        assert!(!Versions::Future.include(FUTURE_KV_STORE_VERSION + 1));
    }
}
