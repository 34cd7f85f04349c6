//! Checking a data folder, and mending it.
//!
//! Log, links, checkpoints and index are held against each other. A check writes nothing. What is mended
//! is first set aside: damaged segments in `log/quarantine/`, an index as `index.aside.N` until the new
//! one is complete.

mod fetch;
mod repair;

use std::path::Path;

use serde_json::{Value, json};
use weir_protocol::codec::snapshot::Snapshot;

pub use fetch::{RepairSource, Unfetched};
pub use repair::{RepairError, Repaired, repair};

use crate::payload;
use crate::store::{FsckReport, InspectedIndex, Inspection, OpenError, Reader, fsck_view};

/// What a check saw.
#[derive(Debug, Default)]
pub struct Checked {
    /// Blocks whose records are whole.
    pub blocks: u64,
    /// Segments of the log.
    pub segments: u64,
    /// Checkpoints of the log.
    pub checkpoints: u64,
    /// What was compared with the index; none when it cannot be used.
    pub index: Option<FsckReport>,
    /// Blocks of the log that are not indexed yet, which is no damage: the next start indexes them.
    pub behind: u64,
    /// Everything wrong.
    pub finding_count: u64,
    /// The first of it.
    pub findings: Vec<Found>,
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where: a file of the log with the offset in it, or an entry of the index.
    pub place: String,
    /// The ordinals concerned, the end excluded; empty when there are none.
    pub ordinals: std::ops::Range<u64>,
    /// What is wrong.
    pub reason: String,
    /// What mends it.
    pub mend: Mend,
}

/// What mends damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mend {
    /// `fsck --repair`, which derives it from the log.
    Repair,
    /// `fsck --repair --source`, which fetches blocks.
    Fetch,
}

impl Found {
    /// Something of no block of the log in particular.
    fn besides_blocks(place: &str, reason: String, mend: Mend) -> Self {
        Self { place: place.to_owned(), ordinals: 0..0, reason, mend }
    }
}

impl Checked {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.finding_count == 0
    }

    fn add(&mut self, found: Found) {
        self.finding_count += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(found);
        }
    }

    /// The same as one JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        let found = |found: &Found| {
            json!({
                "place": found.place,
                "ordinals": [found.ordinals.start, found.ordinals.end],
                "reason": found.reason,
                "mend": found.mend.command(),
            })
        };
        json!({
            "clean": self.is_clean(),
            "blocks": self.blocks,
            "segments": self.segments,
            "checkpoints": self.checkpoints,
            "behind": self.behind,
            "finding_count": self.finding_count,
            "findings": self.findings.iter().map(found).collect::<Vec<_>>(),
        })
    }
}

impl Mend {
    /// The command, but for the folder and the source.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::Repair => "weir-server fsck --repair",
            Self::Fetch => "weir-server fsck --repair --source SOURCE",
        }
    }
}

/// Checks a data folder that no server has open, and writes nothing.
///
/// # Errors
/// When it could not be checked, which says nothing about it: it is in use, is no store of this format,
/// or cannot be read.
pub fn check(data: &Path) -> Result<Checked, OpenError> {
    let inspection = Inspection::begin(data)?;
    let log = inspection.log()?;
    let mut checked = Checked {
        blocks: log.records,
        segments: log.segments,
        checkpoints: log.checkpoints,
        ..Checked::default()
    };
    for finding in &log.findings {
        let (ordinals, reason) = (finding.ordinals.clone(), finding.damage.to_string());
        let mend = if ordinals.is_empty() { Mend::Repair } else { Mend::Fetch };
        let place = format!("log/{} at {}", finding.file, finding.offset);
        checked.add(Found { place, ordinals, reason, mend });
    }
    checked.finding_count = log.findings_count;
    match inspection.index()? {
        InspectedIndex::View(reader, _copy) => check_index(&reader, &log, &mut checked),
        InspectedIndex::NotMade => checked.behind = log.announced.unwrap_or_default(),
        InspectedIndex::Unusable(reason) => {
            checked.add(Found::besides_blocks("index", reason, Mend::Repair));
        }
    }
    Ok(checked)
}

fn check_index(reader: &Reader, log: &weir_log::Report, checked: &mut Checked) {
    let blocks = reader.head().blocks;
    checked.behind = log.announced.unwrap_or(blocks).saturating_sub(blocks);
    let json = reader.root_snapshot().map_err(|error| error.to_string());
    let root = json.and_then(|json| {
        Snapshot::from_json(&json.unwrap_or_default()).map_err(|error| error.to_string())
    });
    if let Err(reason) = &root {
        checked.add(Found::besides_blocks("root snapshot", reason.clone(), Mend::Fetch));
    }
    let report = fsck_view(reader, payload::checker(root.as_ref().ok()), |_, _| ());
    // What the index cannot have because of the log is said once, by the log.
    if log.is_whole() {
        for finding in &report.findings {
            checked.add(Found::besides_blocks(
                &finding.entry,
                finding.reason.clone(),
                Mend::Repair,
            ));
        }
        checked.finding_count += report.finding_count - report.findings.len() as u64;
    }
    checked.index = Some(report);
}

/// Findings kept; beyond them they are only counted.
const FINDINGS_MAX: usize = 100;
