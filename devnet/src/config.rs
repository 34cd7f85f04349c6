//! What a network is made of, and which configurations make one.
//!
//! Checked once, before anything is built: a network that starts never meets a number it cannot
//! handle.

use thiserror::Error;
use weir_protocol::chunk_assignment::DEFAULT_CHUNK_ASSIGNMENT_ALPHA;
use weir_protocol::codec::snapshot::SnapshotError;
use weir_protocol::model::{KV_STORE_VERSION_MAX, Role, Versions};

use crate::schedule::{Command, Schedule, Trigger};

/// Everything a network follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where keys, IDs and chances come from; the same seed gives the same bytes.
    pub seed: u64,
    /// Network name in every header.
    pub chain_id: String,
    /// Nodes of the first epoch.
    pub nodes: NodeCounts,
    /// Collection clusters; at most one for each collection node.
    pub clusters: usize,
    /// Lengths of epochs and their phases.
    pub epochs: EpochConfig,
    /// Time from one view to the next.
    pub block_time_ms: u64,
    /// Most collection guarantees in a block.
    pub guarantees_per_block_max: u32,
    /// How often something goes wrong.
    pub chances: Chances,
    /// Where the chain begins.
    pub root: RootConfig,
    /// What happens when.
    pub schedule: Schedule,
    /// Whether the network may run the version that stands for one to come, see [`Versions::Future`].
    pub plays_future: bool,
}

/// Number of nodes of each role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeCounts {
    /// Collection nodes.
    pub collection: usize,
    /// Consensus nodes.
    pub consensus: usize,
    /// Execution nodes.
    pub execution: usize,
    /// Verification nodes.
    pub verification: usize,
    /// Access nodes.
    pub access: usize,
}

/// Lengths of epochs, in views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochConfig {
    /// A whole epoch.
    pub views: u64,
    /// The staking phase, before the next epoch is set up.
    pub staking_views: u64,
    /// Each of the three phases of key generation, before the next epoch is committed.
    pub dkg_phase_views: u64,
    /// Views before the end of an epoch from which on a missing commit triggers fallback.
    pub finalization_safety_threshold: u64,
    /// Views that an extension adds in fallback mode.
    pub extension_view_count: u64,
}

/// How often something goes wrong, in a thousand blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chances {
    /// A certified block is left behind, with an uncertified child.
    pub fork_per_mille: u32,
    /// A block is proposed but gathers no quorum.
    pub timeout_per_mille: u32,
    /// Views pass without a proposal.
    pub view_gap_per_mille: u32,
}

/// Where the chain begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootConfig {
    /// Height of the root block.
    pub height: u64,
    /// Its view, the first of the first epoch.
    pub view: u64,
    /// Number of the first epoch.
    pub epoch_counter: u64,
    /// Version of the protocol state.
    pub protocol_version: u64,
    /// Time of the root block, Unix milliseconds.
    pub timestamp_ms: u64,
}

impl NodeCounts {
    /// Number of nodes of a role.
    #[must_use]
    pub fn of(&self, role: Role) -> usize {
        match role {
            Role::Collection => self.collection,
            Role::Consensus => self.consensus,
            Role::Execution => self.execution,
            Role::Verification => self.verification,
            Role::Access => self.access,
        }
    }

    /// Number of all nodes.
    #[must_use]
    pub fn total(&self) -> usize {
        Role::ALL.iter().fold(0, |sum, role| sum.saturating_add(self.of(*role)))
    }

    /// About `total` nodes in mainnet's proportions, at least those of a minimal network.
    #[must_use]
    pub fn of_size(total: usize) -> Self {
        let share = |percent: usize, min: usize| (total * percent / 100).max(min);
        let consensus = share(25, 1);
        let execution = share(2, 1);
        let verification = share(15, 1);
        let access = share(30, 0);
        let others = consensus + execution + verification + access;
        Self {
            collection: total.saturating_sub(others).max(1),
            consensus,
            execution,
            verification,
            access,
        }
    }
}

impl EpochConfig {
    /// Phases and margins that fit into epochs of so many views.
    ///
    /// Epochs that are too short are refused by [`Config::validate`].
    #[must_use]
    pub fn of_length(views: u64) -> Self {
        let spare = views.saturating_sub(COMMIT_MARGIN_VIEWS);
        Self {
            views,
            staking_views: (spare / 4).max(1),
            dkg_phase_views: (spare / 12).max(1),
            finalization_safety_threshold: (spare / 4).max(SAFETY_THRESHOLD_MIN),
            extension_view_count: views.saturating_mul(3) / 2,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            chain_id: "flow-localnet".to_owned(),
            nodes: NodeCounts {
                collection: 3,
                consensus: 5,
                execution: 2,
                verification: 4,
                access: 2,
            },
            clusters: 2,
            epochs: EpochConfig {
                views: 400,
                staking_views: 100,
                dkg_phase_views: 40,
                finalization_safety_threshold: 100,
                extension_view_count: 600,
            },
            block_time_ms: 1000,
            guarantees_per_block_max: 2,
            chances: Chances { fork_per_mille: 10, timeout_per_mille: 20, view_gap_per_mille: 20 },
            root: RootConfig {
                height: 0,
                view: 0,
                epoch_counter: 0,
                protocol_version: 2,
                // 2026-01-01.
                timestamp_ms: 1_767_225_600_000,
            },
            schedule: Schedule::default(),
            plays_future: false,
        }
    }
}

impl Config {
    /// Checks that a network can be made of this.
    ///
    /// # Errors
    /// Names the first setting that cannot work, and what would.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_names()?;
        self.validate_nodes()?;
        self.validate_epochs()?;
        self.validate_numbers()?;
        self.schedule.events.iter().try_for_each(|event| self.validate_command(&event.command))
    }

    fn validate_names(&self) -> Result<(), ConfigError> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let (len, chain_id) = (self.chain_id.len(), &self.chain_id);
        if len == 0 || len > CHAIN_ID_LEN_MAX || !chain_id.chars().all(fits) {
            return Err(ConfigError::ChainId { found: chain_id.clone() });
        }
        Ok(())
    }

    fn validate_nodes(&self) -> Result<(), ConfigError> {
        let needed = [Role::Collection, Role::Consensus, Role::Execution, Role::Verification];
        for role in needed {
            if self.nodes.of(role) == 0 {
                return Err(ConfigError::MissingRole { role });
            }
        }
        let found = self.nodes.total();
        if found > NODES_MAX {
            return Err(ConfigError::TooManyNodes { found });
        }
        let max = self.nodes.collection;
        if self.clusters == 0 || self.clusters > max {
            return Err(ConfigError::Clusters { max, found: self.clusters });
        }
        Ok(())
    }

    fn validate_epochs(&self) -> Result<(), ConfigError> {
        let epochs = &self.epochs;
        let at_least = |field, min, found| {
            if found < min || found > NUMBER_MAX {
                return Err(ConfigError::Number { field, min, max: NUMBER_MAX, found });
            }
            Ok(())
        };
        at_least("staking phase views", 1, epochs.staking_views)?;
        at_least("key generation phase views", 1, epochs.dkg_phase_views)?;
        let threshold = epochs.finalization_safety_threshold;
        at_least("finalization safety threshold", SAFETY_THRESHOLD_MIN, threshold)?;
        let extension_min = epochs.finalization_safety_threshold + COMMIT_MARGIN_VIEWS;
        at_least("epoch extension view count", extension_min, epochs.extension_view_count)?;
        let min = epochs.staking_views
            + 3 * epochs.dkg_phase_views
            + epochs.finalization_safety_threshold
            + COMMIT_MARGIN_VIEWS;
        at_least("epoch views", min, epochs.views)
    }

    fn validate_numbers(&self) -> Result<(), ConfigError> {
        let within = |field, min, max, found| {
            if found < min || found > max {
                return Err(ConfigError::Number { field, min, max, found });
            }
            Ok(())
        };
        within("block time in ms", 1, 3_600_000, self.block_time_ms)?;
        let guarantees = u64::from(self.guarantees_per_block_max);
        within("guarantees per block", 0, GUARANTEES_MAX, guarantees)?;
        let Chances { fork_per_mille, timeout_per_mille, view_gap_per_mille } = self.chances;
        let orphans = u64::from(fork_per_mille) + u64::from(timeout_per_mille);
        within("forks and timeouts per mille", 0, CHANCE_MAX, orphans)?;
        within("view gaps per mille", 0, CHANCE_MAX, u64::from(view_gap_per_mille))?;
        let root = &self.root;
        within("root height", 0, NUMBER_MAX, root.height)?;
        within("root view", 0, NUMBER_MAX, root.view)?;
        within("root epoch counter", 0, NUMBER_MAX, root.epoch_counter)?;
        within("protocol version", 0, KV_STORE_VERSION_MAX, root.protocol_version)?;
        within("root timestamp in ms", 0, NUMBER_MAX, root.timestamp_ms)
    }

    /// Checks a command before it is taken.
    ///
    /// # Errors
    /// When no network can carry it out.
    pub fn validate_command(&self, command: &Command) -> Result<(), ConfigError> {
        match command {
            Command::UpgradeVersion { version, .. } if !self.versions().include(*version) => {
                let (field, min, max) = ("protocol version", 0, KV_STORE_VERSION_MAX);
                Err(ConfigError::Number { field, min, max, found: *version })
            }
            Command::UpgradeVersion { lead_views: found, .. }
            | Command::SetExtensionViewCount { value: found }
                if *found > NUMBER_MAX =>
            {
                let field = "number in a command";
                Err(ConfigError::Number { field, min: 0, max: NUMBER_MAX, found: *found })
            }
            _ => Ok(()),
        }
    }

    /// Verification nodes of a chunk, as nodes of flow-go are started with (`--chunk-alpha`): their
    /// default, or less, so that one of the first epoch's verification nodes can be ejected.
    #[must_use]
    pub fn chunk_alpha(&self) -> usize {
        let spare = self.nodes.verification.saturating_sub(1);
        spare.clamp(1, DEFAULT_CHUNK_ASSIGNMENT_ALPHA)
    }

    /// Nodes of a role that stay, whatever is commanded: nothing works with fewer.
    #[must_use]
    pub(crate) fn nodes_min(&self, role: Role) -> usize {
        match role {
            Role::Verification => self.chunk_alpha(),
            Role::Collection | Role::Consensus | Role::Execution => 1,
            Role::Access => 0,
        }
    }

    /// Which versions of the protocol state the network may run.
    #[must_use]
    pub fn versions(&self) -> Versions {
        if self.plays_future { Versions::Future } else { Versions::of_chain(&self.chain_id) }
    }

    /// Adds an event to the schedule.
    #[must_use]
    pub fn at(mut self, trigger: Trigger, command: Command) -> Self {
        self.schedule.push(trigger, command);
        self
    }
}

/// Why no network can be made of a configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A name that is not one.
    #[error(
        "chain id: expected 1 to {CHAIN_ID_LEN_MAX} of a-z, 0-9 and the hyphen, found {found:?}"
    )]
    ChainId {
        /// Name found.
        found: String,
    },
    /// A role without nodes.
    #[error("a network needs at least one {role} node")]
    MissingRole {
        /// The role.
        role: Role,
    },
    /// Too many nodes.
    #[error("a network has at most {NODES_MAX} nodes, found {found}")]
    TooManyNodes {
        /// Nodes found.
        found: usize,
    },
    /// No clusters, or more than collection nodes.
    #[error("clusters: expected 1 to {max}, one collection node each or more, found {found}")]
    Clusters {
        /// Number of collection nodes.
        max: usize,
        /// Clusters found.
        found: usize,
    },
    /// A number out of bounds.
    #[error("{field}: expected {min} to {max}, found {found}")]
    Number {
        /// What the number is.
        field: &'static str,
        /// Lowest that works.
        min: u64,
        /// Highest that works.
        max: u64,
        /// Number found.
        found: u64,
    },
    /// The configured root is no consistent snapshot.
    #[error("the root snapshot does not fit together")]
    Root(#[from] SnapshotError),
}

/// Name of a network that runs a version of the protocol state that is not Flow's.
pub const SIMULATED_CHAIN_ID: &str = "weir-devnet";
/// Most nodes of a network at its start.
pub const NODES_MAX: usize = 1000;

const CHAIN_ID_LEN_MAX: usize = 64;
/// So many views go by until a block is final, mishaps apart; with fewer, a node would come to the
/// end of an epoch and not know the next.
const SAFETY_THRESHOLD_MIN: u64 = 12;
const GUARANTEES_MAX: u64 = 100;
/// Below it a network makes progress.
const CHANCE_MAX: u64 = 800;
/// Far from any overflow when views and times add up.
const NUMBER_MAX: u64 = 1 << 48;
/// Between the execution that emits an event and the block that seals it, with timeouts.
pub(crate) const COMMIT_MARGIN_VIEWS: u64 = 40;
