//! Which server is subscribed to, and when it is left or set aside.

use alloc::string::ToString as _;
use core::time::Duration;

use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Notice, WatchRequest};

use super::{BlockStatus, Level, Place, Watch};
use crate::asking::Attempt;
use crate::{AskError, Call, Fault, Heard, Lie};

impl Watch {
    /// The next notice of the present server; none when the subscription was lost.
    pub(super) async fn notice(&mut self) -> Result<Option<Notice>, AskError> {
        let present = self.walker.asking.present();
        // Until the notice has come it is not known whether the subscription still stands.
        if self.subscription.take() != Some(present) && !self.subscribe().await? {
            return Ok(None);
        }
        let present = self.walker.asking.present();
        let call = Call::Notice { patience: self.options.patience };
        match self.walker.asking.io.call(present, call).await {
            Heard::Notice(notice) => {
                self.subscription = Some(present);
                return Ok(Some(notice));
            }
            heard => {
                let error = self.walker.asking.no_answer(present, heard);
                if !error.is_silence() {
                    // Too slow: the notices come again.
                    self.broken += 1;
                } else if self.too_many_broke() {
                    return Err(error.into());
                } else {
                    let mut attempt = Attempt::default();
                    self.walker.asking.pass_without_answer(error, &mut attempt)?;
                }
            }
        }
        Ok(None)
    }

    /// Subscribes at the first server that answers; whether it took the subscription.
    async fn subscribe(&mut self) -> Result<bool, AskError> {
        let mut attempt = Attempt::default();
        loop {
            let (present, call) = (self.walker.asking.present(), Call::Subscribe(self.request()));
            let error = match self.walker.asking.io.call(present, call).await {
                Heard::Subscribed => {
                    self.walker.asking.answer_came(present);
                    return Ok(true);
                }
                heard => self.walker.asking.no_answer(present, heard),
            };
            if error.is_silence() {
                self.walker.asking.pass_without_answer(error, &mut attempt)?;
            } else if self.is_left() {
                // One that is of another chain or goes back less far says nothing of the others.
                return Ok(false);
            } else {
                return Err(error.into());
            }
        }
    }

    /// Leaves a server that refuses a subscription, if another one may take it.
    fn is_left(&mut self) -> bool {
        !self.too_many_broke() && self.walker.asking.leave()
    }

    /// Whether each server had its turn since there was something new.
    fn too_many_broke(&mut self) -> bool {
        self.broken += 1;
        let too_many = self.broken > self.walker.asking.names().len();
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

    pub(super) fn now(&self) -> Duration {
        self.walker.asking.io.now().elapsed
    }

    pub(super) fn progress(&mut self) {
        (self.useless, self.broken, self.progressed) = (0, 0, self.now());
        self.steps += 1;
    }

    /// A notice that led nowhere; enough of them are a flood.
    pub(super) fn nothing_new(&mut self) -> Result<(), AskError> {
        self.useless += 1;
        if self.useless >= USELESS_MAX {
            let count = core::mem::take(&mut self.useless);
            return self.distrust(Fault::Useless { count });
        }
        Ok(())
    }

    /// The server is no further than it was; another one may be, after a while. Now and then to hear
    /// so is well: the network may stand still.
    pub(super) fn no_further(&mut self) -> Result<(), AskError> {
        let now = self.now();
        let stands = now.saturating_sub(self.progressed);
        if stands >= self.options.stall && self.walker.asking.leave() {
            self.progressed = now;
        }
        let since_last = now.saturating_sub(core::mem::replace(&mut self.heard, now));
        if since_last >= BEAT_MIN { Ok(()) } else { self.nothing_new() }
    }

    /// Sets the present server aside.
    pub(super) fn distrust(&mut self, fault: Fault) -> Result<(), AskError> {
        self.subscription = None;
        let url = self.walker.asking.url().to_string();
        let lie = Lie { url, fault, misbehaviour: None };
        self.walker.asking.set_aside(lie, &mut Attempt::default())
    }

    /// Nobody proves what a server told of: its fault, unless another one was asked meanwhile.
    pub(super) fn refused(
        &mut self,
        from: usize,
        block_id: Identifier,
        error: AskError,
    ) -> Result<(), AskError> {
        match error {
            AskError::Transport(refusal) if !refusal.is_silence() => {
                if self.walker.asking.present() != from {
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
