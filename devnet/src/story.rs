//! The story of a chain: what was emitted and sealed where, for those who read its folder.

use serde_json::{Value, json};
use weir_protocol::model::{EpochPhase, Header, ServiceEvent};

use crate::network::{Network, Produced};

/// What happened so far.
#[derive(Debug)]
pub struct Story {
    chain_id: String,
    spork_id: String,
    root: (u64, u64),
    seed: u64,
    chunk_alpha: usize,
    blocks: u64,
    finalized: u64,
    phase: EpochPhase,
    epoch: u64,
    lines: Vec<String>,
    untold: u64,
}

impl Story {
    /// Begins at the root of a network.
    #[must_use]
    pub fn new(network: &Network) -> Self {
        let head = &network.root().head().header;
        Self {
            chain_id: head.chain_id.clone(),
            spork_id: network.root().params().spork_id.to_hex(),
            root: (head.height, head.view),
            seed: network.config().seed,
            chunk_alpha: network.config().chunk_alpha(),
            blocks: 1,
            finalized: 1,
            phase: EpochPhase::Staking,
            epoch: network.config().root.epoch_counter,
            lines: Vec::new(),
            untold: 0,
        }
    }

    /// Tells of a block; what happens on a fork that is left behind is told, too.
    pub fn tell(&mut self, network: &Network, produced: &Produced) {
        self.blocks += 1;
        self.finalized += produced.finalized.len() as u64;
        let Some(record) = network.record(&produced.block_id) else { return };
        let header = &record.block.header;
        let place = place(header);
        for event in &record.execution.result.service_events {
            self.add(format!("{}: emitted by the execution of {place}", name(event)));
        }
        let state = &record.state;
        if state.epoch_counter() != self.epoch {
            self.epoch = state.epoch_counter();
            self.add(format!("epoch {} entered at {place}", self.epoch));
        }
        if state.phase() != self.phase {
            self.phase = state.phase();
            self.add(format!("phase {} from {place} on", self.phase));
        }
        for seal in &record.block.payload.seals {
            let result = network.result_of(&seal.block_id);
            for event in result.iter().flat_map(|result| &result.service_events) {
                let (event, phase) = (name(event), state.phase());
                self.add(format!("{event}: sealed by {place}, phase now {phase}"));
            }
        }
    }

    /// The story, and what the chain amounts to, as `scenario.json` has it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut story = self.lines.clone();
        if self.untold > 0 {
            story.push(format!("and {} more", self.untold));
        }
        let scenario: Value = json!({
            "scenario": "devnet",
            "seed": self.seed,
            "chunk_alpha": self.chunk_alpha,
            "chain_id": self.chain_id,
            "spork_id": self.spork_id,
            "root_height": self.root.0,
            "root_view": self.root.1,
            "blocks": self.blocks,
            "finalized": self.finalized,
            "story": story,
        });
        format!("{scenario:#}\n")
    }

    fn add(&mut self, line: String) {
        if self.lines.len() < LINES_MAX {
            self.lines.push(line);
        } else {
            self.untold += 1;
        }
    }
}

fn place(header: &Header) -> String {
    format!("block height {} view {}", header.height, header.view)
}

fn name(event: &ServiceEvent) -> &'static str {
    match event {
        ServiceEvent::EpochSetup(_) => "EpochSetup",
        ServiceEvent::EpochCommit(_) => "EpochCommit",
        ServiceEvent::EpochRecover(_) => "EpochRecover",
        ServiceEvent::EjectNode { .. } => "EjectNode",
        ServiceEvent::ProtocolStateVersionUpgrade { .. } => "ProtocolStateVersionUpgrade",
        ServiceEvent::SetEpochExtensionViewCount { .. } => "SetEpochExtensionViewCount",
        ServiceEvent::VersionBeacon(_) => "VersionBeacon",
    }
}

/// Lines of a story; a chain of a million blocks has a longer one.
const LINES_MAX: usize = 10_000;
