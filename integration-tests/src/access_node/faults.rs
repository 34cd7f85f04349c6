//! What can be wrong with a node.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_proto::flow::entities;
use weir_protocol::model::Identifier;

/// What is wrong with a node; nothing by default.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// What happens to its connections.
    pub connection: Connection,
    /// Requests from this one on are never answered; the first is number 1.
    pub hangs_from: Option<u64>,
    /// Chain it says it is of.
    pub chain_id: Option<String>,
    /// Spork it says it is of.
    pub spork_id: Option<Identifier>,
    /// It does not offer its version, as old nodes do not.
    pub hides_version: bool,
    /// Blocks given instead of the chain's, by height.
    pub blocks: BTreeMap<u64, entities::Block>,
    /// Blocks are light ones, also where full ones are asked for.
    pub light: bool,
    /// Which heights it gives.
    pub order: Order,
    /// What it says its latest finalized height is.
    pub claimed_tip: Option<u64>,
    /// The snapshot it gives for whatever block.
    pub snapshot: Option<Vec<u8>>,
    /// Its block subscription.
    pub subscription: Offer,
    /// Bytes added to every block, in a field that means nothing any more.
    pub padding_bytes: usize,
}

/// What happens to connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// Nothing.
    #[default]
    Good,
    /// Those that are open, and new ones, carry nothing any more, and stay open.
    Hangs,
    /// Each is reset after so many bytes of answers.
    Resets {
        /// The bytes.
        after: usize,
    },
    /// Answers go out byte by byte.
    ByteByByte {
        /// Time between two bytes.
        pause: Duration,
    },
}

/// Which block is given for a height, from a height on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The one of that height.
    #[default]
    Honest,
    /// The next one.
    Skips {
        /// From this height on.
        from: u64,
    },
    /// The one before.
    Repeats {
        /// From this height on.
        from: u64,
    },
}

/// What becomes of a block subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offer {
    /// It goes on.
    #[default]
    Open,
    /// There is none.
    None,
    /// It ends.
    Ends {
        /// Messages before the end.
        after: u64,
    },
    /// It sends nothing any more.
    Quiet {
        /// Messages before that.
        after: u64,
    },
}

impl Order {
    pub(super) fn shown(self, height: u64) -> u64 {
        match self {
            Self::Skips { from } if height >= from => height + 1,
            Self::Repeats { from } if height >= from => height - 1,
            _ => height,
        }
    }
}
