//! Which server is subscribed to, and when it is left or set aside.

use std::time::Duration;

use tokio::time::Instant;
use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Notice, WatchRequest};

use super::{BlockStatus, Level, Place, Watch};
use crate::sync::blame::set_aside;
use crate::sync::{AskError, Fault};
use crate::transport::TransportError;

impl Watch {
    /// The next notice of the present server; none when the subscription was lost.
    pub(super) async fn notice(&mut self) -> Result<Option<Notice>, AskError> {
        let of_present = |(url, _): &(String, _)| url == self.client.servers.url();
        let mut notices = match self.subscription.take().filter(of_present) {
            Some((_, notices)) => notices,
            None => match self.client.servers.watch(&self.request()).await {
                Ok(notices) => notices,
                // One that is of another chain or goes back less far says nothing of the others.
                Err(error) if !error.is_silence() && self.is_left() => return Ok(None),
                Err(error) => return Err(error.into()),
            },
        };
        match notices.next(self.options.patience).await {
            Ok(notice) => {
                self.subscription = Some((self.client.servers.url().to_owned(), notices));
                return Ok(Some(notice));
            }
            // Too slow: the notices come again.
            Err(TransportError::Refused { .. }) => self.broken += 1,
            Err(error) => {
                if self.too_many_broke() {
                    return Err(error.into());
                }
                self.client.servers.lost(error)?;
            }
        }
        Ok(None)
    }

    /// Leaves a server that refuses a subscription, if another one may take it.
    fn is_left(&mut self) -> bool {
        !self.too_many_broke() && self.client.servers.leave()
    }

    /// Whether each server had its turn since there was something new.
    fn too_many_broke(&mut self) -> bool {
        self.broken += 1;
        let too_many = self.broken > self.client.servers.health().count();
        if too_many {
            self.broken = 0;
        }
        too_many
    }

    fn request(&self) -> WatchRequest {
        let undecided =
            self.blocks.iter().filter(|(_, told)| !told.is_some_and(BlockStatus::is_last));
        WatchRequest {
            level: self.options.level,
            after_height: self.place.as_ref().map(Place::told_to),
            block_ids: undecided.map(|(id, _)| *id).collect(),
        }
    }

    /// How far the level needs a block proved.
    pub(super) fn depth(&self) -> Depth {
        if self.options.level == Level::Sealed { Depth::Seal } else { Depth::Finality }
    }

    pub(super) fn progress(&mut self) {
        (self.useless, self.broken, self.progressed) = (0, 0, Instant::now());
        self.steps += 1;
    }

    /// A notice that led nowhere; enough of them are a flood.
    pub(super) fn nothing_new(&mut self) -> Result<(), AskError> {
        self.useless += 1;
        if self.useless >= USELESS_MAX {
            let count = std::mem::take(&mut self.useless);
            return self.distrust(Fault::Useless { count });
        }
        Ok(())
    }

    /// The server is no further than it was; another one may be, after a while. Now and then to hear
    /// so is well: the network may stand still.
    pub(super) fn no_further(&mut self) -> Result<(), AskError> {
        if self.progressed.elapsed() >= self.options.stall && self.client.servers.leave() {
            self.progressed = Instant::now();
        }
        let since_last = std::mem::replace(&mut self.heard, Instant::now()).elapsed();
        if since_last >= BEAT_MIN { Ok(()) } else { self.nothing_new() }
    }

    /// Sets the present server aside.
    pub(super) fn distrust(&mut self, fault: Fault) -> Result<(), AskError> {
        self.subscription = None;
        set_aside(&mut self.client.servers, &mut self.client.lies, fault, None)
    }

    /// A server refused to prove what `from` told of: that one's fault, unless another was asked.
    pub(super) fn refused(
        &mut self,
        from: &str,
        block_id: Identifier,
        error: AskError,
    ) -> Result<(), AskError> {
        match error {
            AskError::Transport(refusal) if !refusal.is_silence() => {
                if self.client.servers.url() != from {
                    return self.nothing_new();
                }
                self.distrust(Fault::Unproved { block_id, refusal: refusal.to_string() })
            }
            error => Err(error),
        }
    }
}

/// Notices in a row that may lead nowhere.
const USELESS_MAX: u32 = 1024;
/// Servers that have nothing new say so every ten seconds.
const BEAT_MIN: Duration = Duration::from_secs(1);
