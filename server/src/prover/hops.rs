//! Pages of epoch hops.

use weir_protocol::evidence::{BlockProof, Hop, HopsPage};
use weir_protocol::model::{EpochStateEntry, Identifier};
use weir_protocol::protocol_state::EpochName;
use weir_protocol::request::HopsRequest;

use super::bundle::Bundler;
use super::{IndexedBlock, Prover, ProverError, WithCommit};

impl Prover {
    /// The hops from an epoch to the ones after it: as many as are wanted, and about 1 MiB. Empty
    /// when the next epoch is not committed yet.
    ///
    /// # Errors
    /// When the epoch is not known.
    pub fn hops(&self, request: &HopsRequest) -> Result<HopsPage, ProverError> {
        let HopsRequest { epoch_counter: counter, held, max_hops } = request;
        let counter = *counter;
        let mut bundler = self.bundler(&held.preimage_ids);
        let mut page = HopsPage::default();
        let mut certificate_bytes = 0;
        let head = self.head();
        if self.reader.epoch(counter)?.is_none() {
            return Err(ProverError::unknown_epoch(counter, &head));
        }
        for counter in counter..=head.epoch_counter {
            let Some(block) = self.hop_block(counter)? else {
                break;
            };
            let bytes = bundler.bytes() + certificate_bytes;
            if page.hops.len() >= max_hops.count() || bytes >= PAGE_BYTES {
                page.more = true;
                break;
            }
            // What is sent is checked by whoever gets it: the whole state need not be opened.
            let (epoch_state_id, entry) =
                self.states.epoch_state(&block.record.protocol_state_id)?;
            if !page.hops.is_empty() {
                bundler.next_hop(&epochs_known(&entry));
            }
            let hop = self.hop(&block, (epoch_state_id, &entry), &mut bundler)?;
            certificate_bytes += certificates_len(&hop.block);
            page.hops.push(hop);
        }
        Ok(page)
    }

    /// A final block of the epoch whose state commits the next one.
    fn hop_block(&self, counter: u64) -> Result<Option<IndexedBlock>, ProverError> {
        let epoch = self.reader.epoch(counter)?;
        let ordinal = epoch.and_then(|epoch| epoch.hop_ordinal);
        ordinal.map(|ordinal| self.block_at(ordinal)).transpose()
    }

    fn hop(
        &self,
        block: &IndexedBlock,
        (epoch_state_id, entry): (Identifier, &EpochStateEntry),
        bundler: &mut Bundler<'_>,
    ) -> Result<Hop, ProverError> {
        super::add_state(bundler, (block.record.protocol_state_id, epoch_state_id))?;
        super::add_epoch(bundler, entry, EpochName::Current, WithCommit::No)?;
        super::add_epoch(bundler, entry, EpochName::Next, WithCommit::Yes)?;
        Ok(Hop { block: self.anchored(block, None)?, bundle: bundler.take() })
    }
}

/// Bytes of the certificates beside a block; a leader may put megabytes behind the signatures.
fn certificates_len(block: &BlockProof) -> usize {
    let headers = core::iter::once(&block.header).chain(&block.descendants);
    let inside: usize = headers.map(|header| header.parent_voter_sig_data.len()).sum();
    inside + block.qc.as_ref().map_or(0, |qc| qc.sig_data.len())
}

/// Setup and commit of the two epochs that a client keeps when it comes to a hop from this state.
fn epochs_known(entry: &EpochStateEntry) -> Vec<Identifier> {
    let names = [EpochName::Previous, EpochName::Current];
    let containers = names.into_iter().filter_map(|name| name.container(entry));
    containers.flat_map(|container| [container.setup_id, container.commit_id]).collect()
}

/// A page ends with the hop that reaches this: 1 MiB.
const PAGE_BYTES: usize = 1 << 20;
