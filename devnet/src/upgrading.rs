//! Networks that upgrade to a protocol version that is not Flow's.

use weir_protocol::model::{
    FUTURE_KV_STORE_VERSION, KV_STORE_VERSION_MAX, SIMULATED_KV_STORE_VERSION,
};

use crate::config::{COMMIT_MARGIN_VIEWS, Config, SIMULATED_CHAIN_ID};
use crate::schedule::{Command, Trigger};

impl Config {
    /// A network that commits the snapshot tree's root in its protocol state, from an upgrade soon
    /// after its root on: Flow's highest version first, then the one that is not Flow's.
    ///
    /// Such a network is none of Flow's, and says so by its name, [`SIMULATED_CHAIN_ID`].
    #[must_use]
    pub fn with_snapshot_tree(self) -> Self {
        self.upgrading_soon(SIMULATED_KV_STORE_VERSION)
    }

    /// A network that is ahead of this crate: it begins with Flow's highest version, and soon upgrades to
    /// [`FUTURE_KV_STORE_VERSION`], which nobody knows who is not told to.
    ///
    /// Such a network is none of Flow's, and says so by its name, [`SIMULATED_CHAIN_ID`].
    #[must_use]
    pub fn with_future_version(mut self) -> Self {
        self.plays_future = true;
        self.upgrading_soon(FUTURE_KV_STORE_VERSION)
    }

    /// From Flow's highest version to one that is not Flow's.
    fn upgrading_soon(mut self, version: u64) -> Self {
        SIMULATED_CHAIN_ID.clone_into(&mut self.chain_id);
        self.root.protocol_version = KV_STORE_VERSION_MAX;
        let lead_views = self.epochs.finalization_safety_threshold + COMMIT_MARGIN_VIEWS;
        self.at(Trigger::Now, Command::UpgradeVersion { version, lead_views })
    }
}
