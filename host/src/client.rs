//! A client that a host holds.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use weir_protocol::model::Identifier;
use weir_verifier::json as verifier_json;
use weir_verifier::{TrustedBlock, TrustedState};
#[cfg(feature = "watch")]
use weir_walk::watch::Watch;
use weir_walk::{
    AskError, Beginning, Heard, Lie, Moment, SyncProgress, TransportError, Walk, Walker, start,
};

use crate::calls::{Waiting, heard, step};
use crate::{HostError, Options, ServerAddress, Step};

/// A client of one server, or of several.
///
/// It does one task at a time. A task begins with the method that is named after it; then [`Self::step`]
/// says what to do until it is done.
#[derive(Debug)]
pub struct Client {
    servers: Vec<ServerAddress>,
    place: Place,
    seen: Arc<Mutex<Seen>>,
    /// A step that comes after the progress that was told.
    next: Option<Step>,
    waiting: Option<Waiting>,
    told: Option<Result<Told, HostError>>,
}

/// What a task ends with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// The answer.
    pub value: Value,
    /// Evidence for it that stands alone, if it is kept ([`Options::keep_evidence`]).
    pub evidence: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Place {
    At(Traveller),
    Walking(Walk<'static, Ended>),
    /// It never began.
    Nowhere,
}

/// Who walks.
#[derive(Debug)]
pub(crate) enum Traveller {
    Walker(Box<Walker>),
    #[cfg(feature = "watch")]
    Watch(Box<Watch>),
}

/// What a walk leaves behind.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Nobody, where it never began.
    pub(crate) traveller: Option<Traveller>,
    pub(crate) told: Result<Told, HostError>,
}

impl Ended {
    pub(crate) fn at(traveller: Traveller, told: Result<Told, HostError>) -> Self {
        Self { traveller: Some(traveller), told }
    }
}

/// What is seen of a walk on its way.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) progress: Option<SyncProgress>,
    pub(crate) trusted: Option<TrustedState>,
}

impl Traveller {
    fn walker(&self) -> &Walker {
        match self {
            Self::Walker(walker) => walker,
            #[cfg(feature = "watch")]
            Self::Watch(watch) => watch.walker(),
        }
    }
}

impl Client {
    /// Begins at the checkpoint, which is fetched: the first task.
    ///
    /// # Errors
    /// When there is no server, or an option is not what it should be.
    pub fn start(options: &Options) -> Result<Self, HostError> {
        let (servers, urls) = servers(options)?;
        let checkpoint_id = verifier_json::identifier(&options.checkpoint)?;
        options.clock.timing(0)?;
        let beginning = Beginning {
            checkpoint_id,
            clock: options.clock,
            keeps_evidence: cfg!(feature = "evidence") && options.keep_evidence,
            judge: judge(),
        };
        let walk = start(urls, beginning).map_err(|none| HostError::usage(&none))?;
        Ok(Self::at(servers, Place::Walking(walk.map(begun))))
    }

    /// Goes on from what was kept before; the caller vouches for the bytes.
    ///
    /// # Errors
    /// As [`Self::start`], and when the bytes are no trusted state or one of another checkpoint.
    pub fn resume(options: &Options, kept: &[u8]) -> Result<Self, HostError> {
        let (servers, urls) = servers(options)?;
        let checkpoint_id = verifier_json::identifier(&options.checkpoint)?;
        options.clock.timing(0)?;
        let trusted = TrustedState::from_bytes(kept)?;
        if trusted.checkpoint().block_id != checkpoint_id {
            return Err(HostError::another_checkpoint(checkpoint_id));
        }
        let walker = Walker::resume(urls, trusted);
        let mut walker = walker.map_err(|none| HostError::usage(&none))?;
        walker.set_clock(options.clock);
        #[cfg(feature = "evidence")]
        walker.set_judge(weir_walk::Judge::new());
        let client = Self::at(servers, Place::At(Traveller::Walker(Box::new(walker))));
        client.see();
        Ok(client)
    }

    fn at(servers: Vec<ServerAddress>, place: Place) -> Self {
        let seen = Arc::default();
        Self { servers, place, seen, next: None, waiting: None, told: None }
    }

    /// The servers' addresses, by preference.
    #[must_use]
    pub fn servers(&self) -> &[ServerAddress] {
        &self.servers
    }

    /// What to do next.
    pub fn step(&mut self, now: Moment) -> Step {
        if let Some(next) = self.next.take() {
            return next;
        }
        let step = self.advance(now);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.progress.take() {
            Some(progress) => {
                self.next = Some(step);
                Step::Progress(progress)
            }
            None => step,
        }
    }

    fn advance(&mut self, now: Moment) -> Step {
        let Place::Walking(walk) = &mut self.place else { return Step::Done };
        match walk.poll(now) {
            weir_walk::Step::Call(asked) => {
                let (step, waiting) = step(asked);
                self.waiting = Some(waiting);
                step
            }
            weir_walk::Step::Done(Ended { traveller, told }) => {
                self.place = traveller.map_or(Place::Nowhere, Place::At);
                self.told = Some(told);
                self.see();
                Step::Done
            }
            weir_walk::Step::Waits => Step::Done,
        }
    }

    /// Says what came back: the whole message, and the server's receipt, the bytes of the header
    /// `weir-receipt-bin`. Of a stream that was opened, no bytes.
    pub fn hear(&mut self, server: usize, message: Vec<u8>, receipt: Option<&[u8]>) {
        let (Some(waiting), Some(from)) = (self.waiting.take(), self.servers.get(server)) else {
            return;
        };
        let heard = heard(&waiting, message, receipt, from);
        self.tell(heard);
    }

    /// Says that there was no whole answer, and why.
    pub fn hear_nothing(&mut self, server: usize, why: &str) {
        let Some(from) = self.servers.get(server) else { return };
        let (url, message) = (from.url.clone(), why.to_owned());
        self.waiting = None;
        self.tell(Heard::NoAnswer(TransportError::Unavailable { url, message }));
    }

    /// Says that the server refused: gRPC's status code, its message, and the bytes of the header
    /// `grpc-status-details-bin`.
    pub fn hear_refusal(&mut self, server: usize, code: u8, message: &str, details: &[u8]) {
        let Some(from) = self.servers.get(server) else { return };
        let (url, reason) = (from.url.clone(), weir_proto::status::reason(details));
        self.waiting = None;
        let refused = TransportError::refused(url, code, message.to_owned(), reason);
        self.tell(Heard::NoAnswer(refused));
    }

    fn tell(&mut self, heard: Heard) {
        if let Place::Walking(walk) = &mut self.place {
            walk.hear(heard);
        }
    }

    /// Calls nobody any more: the next step is the last one of the task, and what was proved stays.
    pub fn cancel(&mut self) {
        self.next = None;
        if let Place::Walking(walk) = &mut self.place {
            walk.cancel();
        }
    }

    /// What the task told, once it is done.
    ///
    /// # Errors
    /// When the task failed, or none has ended.
    pub fn take(&mut self) -> Result<Told, HostError> {
        self.told.take().unwrap_or_else(|| Err(HostError::usage(&"no task has ended")))
    }

    /// Begins a task.
    pub(crate) fn begin(
        &mut self,
        task: impl FnOnce(Traveller, Arc<Mutex<Seen>>) -> Result<Walk<'static, Ended>, Traveller>,
    ) -> Result<(), HostError> {
        match mem::replace(&mut self.place, Place::Nowhere) {
            Place::At(traveller) => match task(traveller, self.seen.clone()) {
                Ok(walk) => {
                    (self.next, self.waiting, self.told) = (None, None, None);
                    self.place = Place::Walking(walk);
                    Ok(())
                }
                Err(traveller) => {
                    self.place = Place::At(traveller);
                    Err(HostError::usage(&"this client watches; ask with another one"))
                }
            },
            place => {
                self.place = place;
                Err(HostError::usage(&"a task is on its way, or the client never began"))
            }
        }
    }

    /// What is trusted, also while a task is on its way: `{chain_id, checkpoint, head,
    /// oldest_epoch_counter, newest_epoch_counter}`, blocks as `{block_id, height, view, timestamp_ms}`;
    /// `null` before the client began.
    #[must_use]
    pub fn trusted(&self) -> Value {
        self.with_trusted(summary).unwrap_or_default()
    }

    /// The trusted state as bytes, for another device or for later.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        self.with_trusted(TrustedState::to_bytes)
    }

    fn with_trusted<T>(&self, read: impl FnOnce(&TrustedState) -> T) -> Option<T> {
        match &self.place {
            Place::At(traveller) => Some(read(traveller.walker().trusted())),
            _ => {
                let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.trusted.as_ref().map(read)
            }
        }
    }

    /// Remembers what is trusted, for while a task is on its way.
    fn see(&self) {
        if let Place::At(traveller) = &self.place {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.trusted = Some(traveller.walker().trusted().clone());
        }
    }

    /// What is known of the servers and the network: `{lies, remarks, hops, bytes_received,
    /// upgrade_ahead}`, the first two in words; `null` while a task is on its way.
    ///
    /// `upgrade_ahead` is the upgrade to a protocol version that is not known here, as `{version,
    /// activation_view, about_ms, known_up_to}`, or `null`.
    #[must_use]
    pub fn report(&self) -> Value {
        let Place::At(traveller) = &self.place else { return Value::Null };
        let walker = traveller.walker();
        let lie = |lie: &Lie| json!({ "url": lie.url, "fault": lie.fault.to_string() });
        json!({
            "lies": walker.lies().iter().map(lie).collect::<Value>(),
            "remarks": walker.remarks().iter().map(ToString::to_string).collect::<Value>(),
            "hops": walker.hops(),
            "bytes_received": walker.bytes_received(),
            "upgrade_ahead": weir_verifier::json::upgrade_ahead(walker.trusted()),
        })
    }

    /// What shows a lie of the report to others, as a file that `weir verify` reads; none where nothing
    /// does.
    #[cfg(feature = "evidence")]
    #[must_use]
    pub fn misbehaviour(&self, lie: usize) -> Option<Vec<u8>> {
        let Place::At(traveller) = &self.place else { return None };
        let lie = traveller.walker().lies().get(lie)?;
        lie.misbehaviour.as_ref().map(weir_verifier::Misbehaviour::to_bytes)
    }
}

/// What a client's first walk leaves behind.
fn begun(begun: Result<Walker, AskError>) -> Ended {
    match begun {
        Ok(walker) => Ended::at(Traveller::Walker(Box::new(walker)), Ok(Told::default())),
        Err(error) => Ended { traveller: None, told: Err(error.into()) },
    }
}

fn servers(options: &Options) -> Result<(Vec<ServerAddress>, Vec<String>), HostError> {
    let servers: Vec<_> =
        options.servers.iter().map(|text| ServerAddress::read(text)).collect::<Result<_, _>>()?;
    let wants_evidence = options.keep_evidence || servers.iter().any(|server| server.key.is_some());
    if wants_evidence && !cfg!(feature = "evidence") {
        return Err(HostError::usage(
            &"this build has no receipts and keeps no evidence: no `#KEY`, no evidence to keep",
        ));
    }
    let urls = servers.iter().map(|server| server.url.clone()).collect();
    Ok((servers, urls))
}

#[cfg(feature = "evidence")]
fn judge() -> Option<weir_walk::Judge> {
    Some(weir_walk::Judge::new())
}

#[cfg(not(feature = "evidence"))]
fn judge() -> Option<weir_walk::Judge> {
    None
}

fn summary(trusted: &TrustedState) -> Value {
    let block = |block: &TrustedBlock| {
        let TrustedBlock { block_id, height, view, timestamp_ms } = block;
        let block_id: &Identifier = block_id;
        json!({
            "block_id": block_id.to_hex(),
            "height": height,
            "view": view,
            "timestamp_ms": timestamp_ms,
        })
    };
    json!({
        "chain_id": trusted.chain_id(),
        "checkpoint": block(trusted.checkpoint()),
        "head": block(trusted.head()),
        "oldest_epoch_counter": trusted.oldest_epoch().counter(),
        "newest_epoch_counter": trusted.newest_epoch().counter(),
    })
}
