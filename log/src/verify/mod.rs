//! Checks every byte of a log against its checksums, and its files against each other; writes nothing.

mod links;

use std::ops::Range;

use crate::files::Files;
use crate::inventory::{Inventory, Span};
use crate::record::{self, Header};
use crate::survey::Event;
use crate::{Damage, LogError, announced, checkpoint};

use links::Links;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, below the log's folder.
    pub file: String,
    /// Where in it, in bytes.
    pub offset: u64,
    /// The records that cannot be read for it, the end excluded; none for what follows from others.
    pub ordinals: Range<u64>,
    /// What is wrong.
    pub damage: Damage,
}

/// What a check of a whole log came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The first ordinal held.
    pub first: u64,
    /// The ordinal after the last that was announced; `None` if that is not known any more.
    pub announced: Option<u64>,
    /// Records that are whole.
    pub records: u64,
    /// Files with records.
    pub segments: u64,
    /// Checkpoints that are whole.
    pub checkpoints: u64,
    /// Records whose parent could not be looked for: it may be before a pruned log's first ordinal, among
    /// records that cannot be read, or there were too many to look for.
    pub links_unknown: u64,
    /// What is wrong, the first [`FINDINGS_MAX`] of it.
    pub findings: Vec<Finding>,
    /// How much is wrong.
    pub findings_count: u64,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.findings_count == 0
    }

    fn add(&mut self, finding: Finding) {
        self.findings_count += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    fn add_error(&mut self, error: LogError, span: &Span) {
        let (file, offset, damage) = match error {
            LogError::Damaged { file, offset, damage, .. } => (file, offset, damage),
            _ => (span.name(), 0, Damage::Unreadable),
        };
        self.add(Finding { file, offset, ordinals: none(span), damage });
    }
}

/// Checks a log that nobody writes: every record with its body, every link to a parent, header, table and
/// checkpoint. Says now and then how many records were checked.
///
/// Takes some 30 MB for the IDs of the last million records; parents from before are looked for in a second
/// reading.
///
/// A power cut while the count is written may leave a copy of it torn: a finding, until the log is opened.
///
/// # Errors
/// When it cannot be checked: this process may not read a file, or a file is of a later version.
pub fn verify(files: &dyn Files, progress: &mut dyn FnMut(u64)) -> Result<Report, LogError> {
    let inventory = Inventory::take(files)?;
    let mut report = Report {
        first: inventory.first(),
        announced: inventory.announced.as_ref().map(|held| held.end),
        ..Report::default()
    };
    for (offset, damage) in &inventory.bad_copies {
        let (file, damage) = (announced::FILE.to_owned(), damage.clone());
        report.add(Finding { file, offset: *offset, ordinals: 0..0, damage });
    }
    let links = Links::new(inventory.first());
    let mut check = Check { files, links, report, previous: None, progress };
    for span in &inventory.spans {
        check.segment(span)?;
    }
    let Check { links, mut report, .. } = check;
    links.finish(files, &inventory, &mut report)?;
    check_checkpoints(files, &inventory, &mut report)?;
    Ok(report)
}

/// A check under way, one segment after another.
struct Check<'a> {
    files: &'a dyn Files,
    links: Links,
    report: Report,
    /// The ID of the last record, if that is whole.
    previous: Option<[u8; 32]>,
    progress: &'a mut dyn FnMut(u64),
}

impl Check<'_> {
    fn segment(&mut self, span: &Span) -> Result<(), LogError> {
        if span.is_missing {
            self.gap(span, span.ordinals.clone(), 0, Damage::Missing);
            return Ok(());
        }
        self.report.segments += 1;
        let table = self.frame(span)?;
        span.survey(self.files, &mut |event| {
            match event {
                Event::Record { ordinal, offset, header, bytes } => {
                    let index =
                        usize::try_from(ordinal - span.ordinals.start).unwrap_or(usize::MAX);
                    let told = table.as_ref().and_then(|table| table.get(index)).copied();
                    let damage = record::decode(bytes, ordinal).err();
                    let damage = damage.or_else(|| other_offset(told?, offset));
                    self.record(ordinal, &header);
                    if let Some(damage) = damage {
                        let (file, ordinals) = (span.name(), ordinal..ordinal + 1);
                        self.report.add(Finding { file, offset, ordinals, damage });
                    }
                }
                Event::Gap { ordinals, offset, damage } => {
                    self.gap(span, ordinals, offset, damage);
                }
            }
            Ok(())
        })
    }

    /// Checks a segment's header, trailer and table, and returns the table if it is whole.
    fn frame(&mut self, span: &Span) -> Result<Option<Vec<u32>>, LogError> {
        match span.head(self.files)? {
            Err(e) => self.report.add_error(e, span),
            Ok(head) if self.previous.is_some_and(|previous| previous != head.previous) => {
                let (damage, ordinals) = (Damage::Previous { previous: head.previous }, none(span));
                self.report.add(Finding { file: span.name(), offset: 0, ordinals, damage });
            }
            Ok(_) => {}
        }
        if span.is_open {
            return Ok(None);
        }
        match span.table(self.files)? {
            Ok((_, table)) => Ok(Some(table)),
            Err(e) => {
                self.report.add_error(e, span);
                Ok(None)
            }
        }
    }

    fn gap(&mut self, span: &Span, ordinals: Range<u64>, offset: u64, damage: Damage) {
        self.previous = None;
        self.links.miss();
        self.report.add(Finding { file: span.name(), offset, ordinals, damage });
    }

    fn record(&mut self, ordinal: u64, header: &Header) {
        self.previous = Some(header.id);
        self.links.add(ordinal, header);
        self.report.records += 1;
        if self.report.records.is_multiple_of(PROGRESS_RECORDS) {
            (self.progress)(self.report.records);
        }
    }
}

/// A table whose checksum is right, and that was wrong when it was made.
fn other_offset(told: u32, offset: u64) -> Option<Damage> {
    let found = u64::from(told);
    (found != offset).then_some(Damage::Mismatch { what: "offset", expected: offset, found })
}

fn check_checkpoints(
    files: &dyn Files,
    inventory: &Inventory,
    report: &mut Report,
) -> Result<(), LogError> {
    for span in &inventory.spans {
        let first = span.ordinals.start;
        if inventory.checkpoints.binary_search(&first).is_err() {
            continue;
        }
        match checkpoint::read(files, first) {
            Ok(_) => report.checkpoints += 1,
            Err(e) if e.is_damage() => {
                report.add(checkpoint_finding(first, e));
            }
            Err(e) => return Err(e),
        }
    }
    for first in inventory.without_checkpoint() {
        let file = checkpoint::name(first);
        report.add(Finding { file, offset: 0, ordinals: first..first, damage: Damage::Missing });
    }
    Ok(())
}

fn checkpoint_finding(first: u64, error: LogError) -> Finding {
    let damage = match error {
        LogError::Damaged { damage, .. } => damage,
        _ => Damage::Unreadable,
    };
    Finding { file: checkpoint::name(first), offset: 0, ordinals: first..first, damage }
}

/// No records are lost with what follows from them.
const fn none(span: &Span) -> Range<u64> {
    span.ordinals.start..span.ordinals.start
}

/// Findings that are listed.
pub const FINDINGS_MAX: usize = 1000;
const PROGRESS_RECORDS: u64 = 10_000;
