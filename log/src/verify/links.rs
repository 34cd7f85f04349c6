//! Whether each record's parent is an earlier record, in bounded memory.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Finding, Report};
use crate::bytes::u64_at;
use crate::files::Files;
use crate::inventory::Inventory;
use crate::record::Header;
use crate::survey::Event;
use crate::{Damage, LogError, segment};

/// The IDs of recent records, and the parents that are none of them.
///
/// Recent ones are known by their first eight bytes: two records would have to share them for a wrong link to
/// be missed. Older ones are compared whole.
pub(super) struct Links {
    first: u64,
    recent: HashSet<u64>,
    order: VecDeque<u64>,
    /// Parents that are looked for among all records, with the child that names each first.
    wanted: HashMap<[u8; 32], u64>,
    unknown: u64,
    /// Whether all records of the log are seen, so that a parent that is not found is not there.
    complete: bool,
}

impl Links {
    pub(super) fn new(first: u64) -> Self {
        let (recent, order, wanted) = (HashSet::new(), VecDeque::new(), HashMap::new());
        Self { first, recent, order, wanted, unknown: 0, complete: first == 0 }
    }

    /// Notes that some records cannot be seen.
    pub(super) const fn miss(&mut self) {
        self.complete = false;
    }

    pub(super) fn add(&mut self, ordinal: u64, header: &Header) {
        if ordinal > self.first && !self.recent.contains(&short(&header.parent)) {
            if self.wanted.len() < WANTED_MAX || self.wanted.contains_key(&header.parent) {
                self.wanted.entry(header.parent).or_insert(ordinal);
            } else {
                self.unknown += 1;
            }
        }
        let id = short(&header.id);
        if self.recent.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > WINDOW
            && let Some(oldest) = self.order.pop_front()
        {
            self.recent.remove(&oldest);
        }
    }

    /// Looks for the parents that are left among all records.
    pub(super) fn finish(
        mut self,
        files: &dyn Files,
        inventory: &Inventory,
        report: &mut Report,
    ) -> Result<(), LogError> {
        for span in inventory.spans.iter().filter(|span| !span.is_missing) {
            if self.wanted.is_empty() {
                break;
            }
            span.survey(files, &mut |event| {
                if let Event::Record { ordinal, header, .. } = event
                    && self.wanted.get(&header.id).is_some_and(|child| ordinal < *child)
                {
                    self.wanted.remove(&header.id);
                }
                Ok(())
            })?;
        }
        report.links_unknown = self.unknown;
        if !self.complete {
            report.links_unknown += self.wanted.len() as u64;
            return Ok(());
        }
        let mut left: Vec<([u8; 32], u64)> = self.wanted.into_iter().collect();
        left.sort_unstable_by_key(|(_, child)| *child);
        for (parent, child) in left {
            let span = inventory.spans.iter().rfind(|span| span.ordinals.start <= child);
            let file = segment::name(span.map_or(0, |span| span.ordinals.start));
            let damage = Damage::Link { parent };
            report.add(Finding { file, offset: 0, ordinals: child..child + 1, damage });
        }
        Ok(())
    }
}

fn short(id: &[u8; 32]) -> u64 {
    u64_at(id, 0)
}

/// Records whose IDs are held.
pub(super) const WINDOW: usize = 1 << 20;
/// Parents that are looked for in a second reading.
const WANTED_MAX: usize = 100_000;
