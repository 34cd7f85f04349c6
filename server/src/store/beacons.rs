//! Rebuilds the index of sealed version beacons from the payloads, and compares.

use super::Reader;
use super::report::{FsckReport, PayloadFacts};
use std::collections::HashMap;
use weir_protocol::model::{Identifier, VersionBeacon};

/// The version beacons in the results seen so far, by result; a chain has few.
#[derive(Debug, Default)]
pub(super) struct Beacons {
    by_result: HashMap<Identifier, VersionBeacon>,
    /// Places of the blocks that the store does not have, or has as its root.
    up_to_root: HashMap<Identifier, u64>,
}

/// Ordinals from which on things are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct From {
    /// The first block.
    pub(super) first: u64,
    /// The first block whose payload is there, as those of all later ones are.
    pub(super) payload: u64,
}

impl Beacons {
    /// Takes in the payload at an ordinal, and compares what it seals with the index.
    ///
    /// Payloads below `from.payload` are pruned: what a result was that they included, nobody
    /// knows any more.
    pub(super) fn check(
        &mut self,
        reader: &Reader,
        ordinal: u64,
        facts: PayloadFacts,
        from: From,
        report: &mut FsckReport,
    ) {
        let entry = format!("version beacon {ordinal}");
        self.by_result.extend(facts.beacons);
        self.up_to_root.extend(facts.up_to_root.into_iter().zip(0..));
        // What the root seals is in the root snapshot.
        let seals = if ordinal == from.first { &[][..] } else { &facts.seals };
        let Some(expected) = self.sealed(reader, seals, report) else { return };
        let Some(found) = report.take(&entry, reader.version_beacon(ordinal)) else { return };
        report.version_beacons += u64::from(found.is_some());
        if found == expected {
            return;
        }
        let is_pruned = |result_id: &Identifier| {
            let including = reader.including_ordinal(result_id).ok().flatten();
            including.is_none_or(|including| including < from.payload)
        };
        let unknown = from.payload > 0 && facts.seals.iter().any(|(_, id)| is_pruned(id));
        if !unknown {
            let name = |beacon: Option<VersionBeacon>| match beacon {
                Some(beacon) => format!("number {}", beacon.sequence),
                None => "none".to_owned(),
            };
            let (expected, found) = (name(expected), name(found));
            report.add(entry, format!("the block seals {expected}, the index has {found}"));
        }
    }

    /// The beacon of the highest sealed block that has one.
    fn sealed(
        &self,
        reader: &Reader,
        seals: &[(Identifier, Identifier)],
        report: &mut FsckReport,
    ) -> Option<Option<VersionBeacon>> {
        let mut highest = None;
        for (block_id, result_id) in seals {
            let Some(beacon) = self.by_result.get(result_id) else { continue };
            let ordinal = report.take("block ids", reader.ordinal_of(block_id))?;
            // Those below the root come first; on a fork, ordinals go up with the heights.
            let below = || self.up_to_root.get(block_id).copied().unwrap_or_default();
            let place = (ordinal.is_some(), ordinal.unwrap_or_else(below));
            if highest.as_ref().is_none_or(|(before, _)| *before < place) {
                highest = Some((place, beacon.clone()));
            }
        }
        Some(highest.map(|(_, beacon)| beacon))
    }
}
