//! Asking peers: whom next, and what their silence, their refusals and their lies mean for that.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::mem;
use core::time::Duration;

use weir_peers::{Peers, Shared, Turn};
use weir_protocol::model::Identifier;
use weir_protocol::request::Request;
use weir_verifier::{Misbehaviour, Timing, TimingError};

use crate::blame::Judge;
use crate::io::Io;
use crate::{
    AskError, Call, ClockOptions, Fault, Heard, Lie, Remark, Reply, ServerSays, TransportError,
};

/// The peers, which of them is asked at present, and what is known of them.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) io: Io,
    peers: Shared,
    /// Their names, by preference.
    names: Vec<String>,
    /// Who is asked until there is a reason to ask another one: what it sends next builds on what
    /// it sent last.
    present: usize,
    /// Nobody but the present peer is asked.
    alone: bool,
    pub(crate) checkpoint_id: Identifier,
    /// Without it nobody is accused, only set aside.
    pub(crate) judge: Option<Judge>,
    pub(crate) clock: ClockOptions,
    pub(crate) bytes_received: u64,
    pub(crate) lies: Vec<Lie>,
    pub(crate) remarks: Vec<Remark>,
}

/// One question's way through the peers: each is asked once, as long as it gives no answer that is of
/// use.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    turn: Turn,
    /// Who was asked first.
    first: Option<usize>,
    silent: Vec<TransportError>,
    refused: Vec<TransportError>,
    /// What says most about the question so far.
    why: Option<AskError>,
}

impl Asking {
    pub(crate) fn new(peers: Peers, checkpoint_id: Identifier, clock: ClockOptions) -> Self {
        let names = peers.iter().map(|(name, _)| name.to_string()).collect();
        Self {
            io: Io::default(),
            peers: Shared::new(peers),
            names,
            present: 0,
            alone: false,
            checkpoint_id,
            judge: None,
            clock,
            bytes_received: 0,
            lies: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// The same way out, to one peer only.
    pub(crate) fn alone_with(&self, peer: usize) -> Self {
        let anew =
            Self::new(self.peers.with(|peers| peers.clone()), self.checkpoint_id, self.clock);
        Self { io: self.io.clone(), judge: self.judge, present: peer, alone: true, ..anew }
    }

    /// What shows misbehaviour, if it holds.
    pub(crate) fn judged(&self, found: Misbehaviour) -> Option<Misbehaviour> {
        let holds = self.judge?.0;
        holds(&found, self.checkpoint_id).then_some(found)
    }

    pub(crate) fn peers(&self) -> &Shared {
        &self.peers
    }

    /// Asks peers of the same names that others ask, too.
    pub(crate) fn share(&mut self, peers: Shared) {
        self.names = peers.with(|peers| peers.iter().map(|(name, _)| name.to_string()).collect());
        let first = peers.with(|peers| peers.take(&mut Turn::default(), Duration::ZERO));
        (self.peers, self.present) = (peers, first.unwrap_or_default());
    }

    /// The peers' names, by preference.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The peer that is asked next.
    pub(crate) fn present(&self) -> usize {
        self.present
    }

    /// Its URL.
    pub(crate) fn url(&self) -> &str {
        &self.names[self.present]
    }

    /// The peers but the present one and those that are set aside.
    pub(crate) fn others(&self) -> Vec<usize> {
        let is_other = |peer: &usize| *peer != self.present && !self.is_set_aside(*peer);
        (0..self.names.len()).filter(is_other).collect()
    }

    pub(crate) fn go_on_with(&mut self, peer: usize) {
        self.present = peer;
    }

    pub(crate) fn timing(&self) -> Result<Timing, TimingError> {
        self.clock.timing(self.io.now().unix_ms)
    }

    /// Sends a request to the present peer, and to the next one while there is no reply.
    ///
    /// # Errors
    /// When nobody is left to ask: the best reason that there was.
    pub(crate) async fn send(
        &mut self,
        request: &Request,
        attempt: &mut Attempt,
    ) -> Result<Reply, AskError> {
        loop {
            match self.send_to(self.present, request.clone()).await {
                Ok(reply) => return Ok(reply),
                Err(error) => self.pass_without_answer(error, attempt)?,
            }
        }
    }

    /// What the first peer that answers says of itself; nothing proves it.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(crate) async fn info(&mut self) -> Result<ServerSays, AskError> {
        let mut attempt = Attempt::default();
        loop {
            match self.io.call(self.present, Call::Info).await {
                Heard::ServerSays(says) => {
                    self.answer_came(self.present);
                    return Ok(says);
                }
                heard => {
                    let error = self.no_answer(self.present, heard);
                    self.pass_without_answer(error, &mut attempt)?;
                }
            }
        }
    }

    /// Sends a request to this peer and no other.
    pub(crate) async fn send_to(
        &mut self,
        peer: usize,
        request: Request,
    ) -> Result<Reply, TransportError> {
        match self.io.call(peer, Call::Send(request)).await {
            Heard::Reply(reply) => {
                self.answer_came(peer);
                self.bytes_received += reply.bytes.len() as u64;
                Ok(reply)
            }
            heard => Err(self.no_answer(peer, heard)),
        }
    }

    pub(crate) fn answer_came(&mut self, peer: usize) {
        self.peers.with(|peers| peers.answered(peer));
    }

    /// Why a peer gave no answer, which is held against it if it was silent.
    pub(crate) fn no_answer(&mut self, peer: usize, heard: Heard) -> TransportError {
        let error = match heard {
            Heard::NoAnswer(error) => error,
            _ => {
                let url = self.names[peer].clone();
                let message = "an answer of another kind".to_string();
                TransportError::Unavailable { url, message }
            }
        };
        if !error.is_silence() {
            self.peers.with(|peers| peers.answered(peer));
        } else if error != TransportError::Cancelled {
            let now = self.io.now().elapsed;
            self.peers.with(|peers| peers.silent(peer, error.to_string(), now));
        }
        error
    }

    /// Goes on to the next peer after a refusal or silence.
    ///
    /// # Errors
    /// When there is none that was not asked in this attempt.
    pub(crate) fn pass_without_answer(
        &mut self,
        error: TransportError,
        attempt: &mut Attempt,
    ) -> Result<(), AskError> {
        if error == TransportError::Cancelled {
            return Err(error.into());
        }
        if error.is_silence() {
            attempt.silent.push(error);
        } else {
            attempt.refused.push(error.clone());
            attempt.note(error.into());
        }
        self.pass(attempt)
    }

    /// Goes on to the next peer after an answer that is of no use.
    ///
    /// # Errors
    /// With the best reason that there was, when there is none that was not asked in this attempt.
    pub(crate) fn pass_for(
        &mut self,
        why: AskError,
        attempt: &mut Attempt,
    ) -> Result<(), AskError> {
        attempt.note(why);
        self.pass(attempt)
    }

    fn pass(&mut self, attempt: &mut Attempt) -> Result<(), AskError> {
        let first = *attempt.first.get_or_insert(self.present);
        attempt.turn.count(self.present);
        let now = self.io.now().elapsed;
        let next = self.peers.with(|peers| peers.take(&mut attempt.turn, now));
        // Others who share the peers may ask one that is set aside; here each answer would have to be
        // doubted.
        if let Some(next) = next.filter(|next| !self.alone && !self.is_set_aside(*next)) {
            self.present = next;
            return Ok(());
        }
        // Nobody did better than the first, so there is no reason to leave it.
        if self.behaves(first) {
            self.present = first;
        }
        Err(mem::take(attempt).end())
    }

    /// There is an answer: whoever refused it before was wrong, if only about what it has.
    pub(crate) fn answered(&mut self, attempt: &mut Attempt) {
        let proved_by = self.url().to_string();
        for refusal in attempt.refused.drain(..) {
            self.remark(Remark::Refused { refusal, proved_by: proved_by.clone() });
        }
    }

    /// Adds to what a user should know of the servers, unless it is known or enough.
    pub(crate) fn remark(&mut self, remark: Remark) {
        if self.remarks.len() < REMARKS_MAX && !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    /// Sets the present peer aside, and goes on to the next one.
    ///
    /// # Errors
    /// When there is none that was not asked in this attempt.
    pub(crate) fn set_aside(&mut self, lie: Lie, attempt: &mut Attempt) -> Result<(), AskError> {
        let Lie { url, fault, .. } = &lie;
        let present = self.present;
        self.peers.with(|peers| peers.set_aside(present, fault.to_string()));
        let why = match fault.clone() {
            Fault::Rejected(rejection) => AskError::rejected(url, rejection),
            fault => AskError::Misled { url: url.clone(), fault },
        };
        if self.lies.len() < LIES_MAX {
            self.lies.push(lie);
        }
        self.pass_for(why, attempt)
    }

    fn behaves(&self, peer: usize) -> bool {
        self.peers.with(|peers| peers.standing(peer).behaves())
    }

    fn is_set_aside(&self, peer: usize) -> bool {
        self.peers.with(|peers| peers.is_set_aside(peer))
    }

    /// Leaves the present peer for another one, and thinks no worse of it; whether there is one.
    ///
    /// Each peer has its turn: one that answers, and knows nothing new, would otherwise be chosen
    /// again and again before the others.
    pub(crate) fn leave(&mut self) -> bool {
        let count = self.names.len();
        let after = || (1..count).map(|step| (self.present + step) % count);
        let behaves = after().find(|peer| self.behaves(*peer));
        let next = behaves.or_else(|| after().find(|peer| !self.is_set_aside(*peer)));
        self.present = next.unwrap_or(self.present);
        next.is_some()
    }
}

impl Attempt {
    fn note(&mut self, why: AskError) {
        self.why = Some(match self.why.take() {
            Some(before) => before.or_better(why),
            None => why,
        });
    }

    /// Why it has failed.
    fn end(mut self) -> AskError {
        if !self.silent.is_empty() {
            let silence = TransportError::of_all(mem::take(&mut self.silent));
            self.note(silence.into());
        }
        self.why.expect("an attempt goes on for a reason")
    }
}

/// Most lies that are kept, each with up to some MiB of evidence: a server that lies alone is asked
/// again and again.
const LIES_MAX: usize = 64;
/// Most remarks that are kept.
const REMARKS_MAX: usize = 256;
