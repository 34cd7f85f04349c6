//! The walk, behind a lock.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use weir_host::{Moment, Options};

use crate::WeirError;
use crate::verify::read_json;

/// A client without its transport: it says what to send, and hears what came back.
///
/// It does one task at a time: [`Self::begin`], then [`Self::step`] and what it says until it is
/// [`Step::Done`], then [`Self::take`]. A client that was started without kept bytes has a first task
/// already: to fetch the checkpoint. Several threads may use it at once: calls wait for one another.
#[derive(Debug)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Object))]
pub struct Client(Mutex<weir_host::Client>);

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum Step {
    /// Send the message to the method of the server, and say what came back with `hear`,
    /// `hear_refusal` or `hear_nothing`.
    Call {
        /// Which of the servers, by their order in the options.
        server: u32,
        /// Path of the method, such as `/weir.v1.SnapshotAPI/GetSnapshot`.
        path: String,
        /// The request, as gRPC sends it without its frame.
        message: Vec<u8>,
    },
    /// As `Call`, but the method streams: once it is open, say so with `hear` and no bytes. A stream
    /// before it is of no use any more.
    Subscribe {
        /// Which of the servers.
        server: u32,
        /// Path of the method.
        path: String,
        /// The request.
        message: Vec<u8>,
    },
    /// Wait for the next message of the stream, and say with `hear` what it is.
    Next {
        /// Which of the servers.
        server: u32,
        /// Longest wait, milliseconds.
        patience_ms: u64,
    },
    /// Nothing, but a sync has come so far.
    Progress {
        /// Newest epoch proved.
        epoch_counter: u64,
        /// Epoch of the checkpoint.
        first_epoch_counter: u64,
        /// Newest epoch as the server says; nothing proves it.
        target_epoch_counter: u64,
        /// Bytes of evidence received.
        bytes_received: u64,
    },
    /// The task has ended: take what it told.
    Done,
}

/// What a task ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Told {
    /// The answer as JSON, `null` of a start.
    pub value: String,
    /// Evidence for it that stands alone, as `weir verify` reads it, if it is kept.
    pub evidence: Option<Vec<u8>>,
}

#[cfg_attr(feature = "uniffi", uniffi::export)]
impl Client {
    /// Begins at the checkpoint, which is fetched; or, with the bytes that were kept before, where
    /// nothing is to be fetched. The caller vouches for those bytes.
    ///
    /// `options` is JSON: `{"servers": [URL, ...], "checkpoint": ID}`, and perhaps `"clock":
    /// {"now_ms", "trusting_period_ms", "past_committee_age_ms", "clock_skew_ms"}` and `"keep_evidence":
    /// true`. A server that has to sign its answers is `URL#KEY`.
    ///
    /// # Errors
    /// When an option is not what it should be, or the bytes are no trusted state.
    #[cfg_attr(feature = "uniffi", uniffi::constructor)]
    pub fn start(options: &str, kept: Option<Vec<u8>>) -> Result<Self, WeirError> {
        let options = Options::read(&read_json(options)?)?;
        let client = match kept {
            Some(kept) => weir_host::Client::resume(&options, &kept)?,
            None => weir_host::Client::start(&options)?,
        };
        Ok(Self(Mutex::new(client)))
    }

    /// The servers' addresses by preference, without their keys.
    #[must_use]
    pub fn servers(&self) -> Vec<String> {
        self.lock().servers().iter().map(|server| server.url.clone()).collect()
    }

    /// Begins a task, JSON: `{"task": "sync"}`, `{"task": "ask", "question": QUESTION}`, perhaps with
    /// `"proof"`: `final`, `sealed` or `linked`, and `"view"`: `epoch` or `status`; `{"task": "tree_root",
    /// "block": BLOCK}`, `{"task": "ask_tree", "block": BLOCK, "items": [...]}`, or `{"task": "next_event"}`,
    /// at first perhaps with `"watch"`: `{"level", "after", "kinds", "roles", "node_ids", "block_ids"}`. A
    /// client that watches does nothing else after it.
    ///
    /// # Errors
    /// When it is no task, or another one is on its way.
    pub fn begin(&self, task: &str) -> Result<(), WeirError> {
        Ok(self.lock().begin_task(&read_json(task)?)?)
    }

    /// What to do next. `elapsed_ms` is a clock's that never goes back, `now_ms` the calendar's, Unix
    /// milliseconds.
    #[must_use]
    pub fn step(&self, elapsed_ms: u64, now_ms: u64) -> Step {
        let now = Moment { elapsed: Duration::from_millis(elapsed_ms), unix_ms: now_ms };
        self.lock().step(now).into()
    }

    /// Says what came back: the whole message, and of an answer the bytes of the header
    /// `weir-receipt-bin`, if there is one.
    pub fn hear(&self, server: u32, message: Vec<u8>, receipt: Option<Vec<u8>>) {
        self.lock().hear(server as usize, message, receipt.as_deref());
    }

    /// Says that there was no whole answer, and why.
    pub fn hear_nothing(&self, server: u32, why: &str) {
        self.lock().hear_nothing(server as usize, why);
    }

    /// Says that the server refused: gRPC's status code, its message, and the bytes of the header
    /// `grpc-status-details-bin`.
    pub fn hear_refusal(&self, server: u32, code: u8, message: &str, details: Vec<u8>) {
        self.lock().hear_refusal(server as usize, code, message, &details);
    }

    /// Calls nobody any more: the next step is `Done`, and what was proved stays.
    pub fn cancel(&self) {
        self.lock().cancel();
    }

    /// What the task told.
    ///
    /// # Errors
    /// When it failed, or none has ended.
    pub fn take(&self) -> Result<Told, WeirError> {
        let told = self.lock().take()?;
        Ok(Told { value: told.value.to_string(), evidence: told.evidence })
    }

    /// What is trusted, as JSON, also while a task is on its way; `null` before the client began.
    #[must_use]
    pub fn trusted(&self) -> String {
        self.lock().trusted().to_string()
    }

    /// What to keep; nothing before the client began.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        self.lock().to_bytes()
    }

    /// What is known of the servers and the network, as JSON: `{"lies", "remarks", "hops",
    /// "bytes_received", "upgrade_ahead"}`; `null` while a task is on its way.
    #[must_use]
    pub fn report(&self) -> String {
        self.lock().report().to_string()
    }

    /// What shows a lie of the report to others, by its place there, as `weir verify` reads it.
    #[must_use]
    pub fn misbehaviour(&self, lie: u32) -> Option<Vec<u8>> {
        self.lock().misbehaviour(lie as usize)
    }
}

impl Client {
    fn lock(&self) -> MutexGuard<'_, weir_host::Client> {
        self.0.lock().expect("no call panicked while it changed the client")
    }
}

impl From<weir_host::Step> for Step {
    fn from(step: weir_host::Step) -> Self {
        // There are fewer servers than that: each has its URL in memory.
        let place = |server: usize| u32::try_from(server).unwrap_or(u32::MAX);
        match step {
            weir_host::Step::Call { server, path, message } => {
                Self::Call { server: place(server), path: path.into(), message }
            }
            weir_host::Step::Subscribe { server, path, message } => {
                Self::Subscribe { server: place(server), path: path.into(), message }
            }
            weir_host::Step::Next { server, patience_ms } => {
                Self::Next { server: place(server), patience_ms }
            }
            weir_host::Step::Progress(progress) => Self::Progress {
                epoch_counter: progress.epoch_counter,
                first_epoch_counter: progress.first_epoch_counter,
                target_epoch_counter: progress.target_epoch_counter,
                bytes_received: progress.bytes_received,
            },
            weir_host::Step::Done => Self::Done,
        }
    }
}
