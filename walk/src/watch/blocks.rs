//! How far given blocks are.

use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Selector};

use super::{BlockStatus, EventBlock, Watch};
use crate::AskError;
use weir_verifier::{Answer, Trust};

impl Watch {
    /// A server says that something is new about a block.
    pub(super) async fn block_news(
        &mut self,
        block_id: Identifier,
        orphaned: bool,
    ) -> Result<(), AskError> {
        let index = self
            .blocks
            .iter()
            .position(|(id, told)| *id == block_id && !told.is_some_and(BlockStatus::is_last));
        let Some(index) = index else { return self.nothing_new() };
        if orphaned {
            return self.orphaned(index, block_id).await;
        }
        let from = self.walker.asking.present();
        match self.walker.status(Selector::Id(block_id), Depth::Seal).await {
            Ok(outcome) => self.tell_statuses(index, &outcome.answer),
            Err(error) => self.refused(from, block_id, error),
        }
    }

    fn tell_statuses(&mut self, index: usize, answer: &Answer) -> Result<(), AskError> {
        let before = self.blocks[index].1;
        let mut told = before;
        let block = EventBlock::about(answer);
        for status in BlockStatus::reached(answer.trust, before) {
            self.teller.status(block, status, told);
            told = Some(status);
        }
        self.blocks[index].1 = told;
        if told == before {
            return self.nothing_new();
        }
        self.progress();
        Ok(())
    }

    /// The block has a height at which another one is final.
    async fn orphaned(&mut self, index: usize, block_id: Identifier) -> Result<(), AskError> {
        let from = self.walker.asking.present();
        let orphaned = match self.walker.read_known(block_id, |block| block.status()).await {
            Ok(answer) => answer,
            Err(error) => return self.refused(from, block_id, error),
        };
        let finalized = match self.status(Selector::Height(orphaned.height)).await {
            Ok(answer) => answer,
            Err(error) => return self.refused(from, block_id, error),
        };
        if finalized.trust < Trust::Finalized || finalized.block_id == block_id {
            return self.nothing_new();
        }
        let before = self.blocks[index].1.replace(BlockStatus::Orphaned);
        self.teller.status(EventBlock::about(&orphaned), BlockStatus::Orphaned, before);
        self.progress();
        Ok(())
    }
}
