//! The walk, as the script drives it.

use std::time::Duration;

#[cfg(feature = "evidence")]
use js_sys::Array;
use js_sys::{Object, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
#[cfg(feature = "watch")]
use weir_host::WatchFields;
use weir_host::{Depth, HostError, Moment, Options, Step};

use crate::error::host_error;
use crate::value::{from_js, set, to_js, whole};

/// A client without its transport: it says what to send, and hears what came back.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Client(weir_host::Client);

#[wasm_bindgen]
impl Client {
    /// Begins at the checkpoint, with `{servers, checkpoint, clock?, keep_evidence?}`: the first task; or
    /// with the bytes that were kept before, where nothing is to be fetched.
    ///
    /// # Errors
    /// When an option is not what it should be, or the bytes are no trusted state.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &JsValue, kept: Option<Vec<u8>>) -> Result<Client, JsValue> {
        let options = Options::read(&from_js(options)).map_err(|error| host_error(&error))?;
        let begun = match kept {
            Some(kept) => weir_host::Client::resume(&options, &kept),
            None => weir_host::Client::start(&options),
        };
        begun.map(Self).map_err(|error| host_error(&error))
    }

    /// Begins to sync.
    ///
    /// # Errors
    /// When another task is on its way.
    pub fn sync(&mut self) -> Result<(), JsValue> {
        told(self.0.sync())
    }

    /// Begins to ask a question.
    ///
    /// # Errors
    /// When it is no question, or another task is on its way.
    pub fn ask(
        &mut self,
        question: &JsValue,
        proof: Option<String>,
        view: Option<String>,
    ) -> Result<(), JsValue> {
        let depth = Depth::read(proof.as_deref()).map_err(|error| host_error(&error))?;
        told(self.0.ask(&from_js(question), depth, view.as_deref()))
    }

    #[cfg(feature = "tree")]
    /// Begins to ask for the root of a block's snapshot tree.
    ///
    /// # Errors
    /// As [`Self::ask`].
    #[wasm_bindgen(js_name = treeRoot)]
    pub fn tree_root(&mut self, block: &JsValue) -> Result<(), JsValue> {
        told(self.0.tree_root(&from_js(block)))
    }

    #[cfg(feature = "tree")]
    /// Begins to ask about a block's snapshot tree.
    ///
    /// # Errors
    /// As [`Self::ask`].
    #[wasm_bindgen(js_name = askTree)]
    pub fn ask_tree(&mut self, block: &JsValue, items: &JsValue) -> Result<(), JsValue> {
        told(self.0.ask_tree(&from_js(block), &from_js(items)))
    }

    #[cfg(feature = "watch")]
    /// Begins to wait for the next event.
    ///
    /// # Errors
    /// When a field is not what it should be, or another task is on its way.
    #[wasm_bindgen(js_name = nextEvent)]
    pub fn next_event(&mut self, watched: &JsValue) -> Result<(), JsValue> {
        told(self.0.next_event(WatchFields(&from_js(watched))))
    }

    /// What to do next: `{kind, …}`, where kind is `call` or `subscribe` with `{server, path, message}`,
    /// `next` with `{server, patience_ms}`, `progress` with its numbers, or `done`. `elapsed_ms` and
    /// `now_ms` are what a steady clock and the calendar's say.
    #[must_use]
    pub fn step(&mut self, elapsed_ms: f64, now_ms: f64) -> JsValue {
        let object = Object::new();
        let kind = |kind: &str| set(&object, "kind", &kind.into());
        match self.0.step(moment(elapsed_ms, now_ms)) {
            Step::Call { server, path, message } => {
                kind("call");
                call(&object, server, path, &message);
            }
            Step::Subscribe { server, path, message } => {
                kind("subscribe");
                call(&object, server, path, &message);
            }
            Step::Next { server, patience_ms } => {
                kind("next");
                set(&object, "server", &whole(server as u64));
                set(&object, "patience_ms", &whole(patience_ms));
            }
            Step::Progress(progress) => {
                kind("progress");
                for (name, value) in [
                    ("epoch_counter", progress.epoch_counter),
                    ("first_epoch_counter", progress.first_epoch_counter),
                    ("target_epoch_counter", progress.target_epoch_counter),
                    ("bytes_received", progress.bytes_received),
                ] {
                    set(&object, name, &whole(value));
                }
            }
            Step::Done => kind("done"),
        }
        object.into()
    }

    /// Says what came back: the whole message, and the bytes of the header `weir-receipt-bin`.
    pub fn hear(&mut self, server: usize, message: Vec<u8>, receipt: Option<Vec<u8>>) {
        self.0.hear(server, message, receipt.as_deref());
    }

    /// Says that there was no whole answer, and why.
    #[wasm_bindgen(js_name = hearNothing)]
    pub fn hear_nothing(&mut self, server: usize, why: &str) {
        self.0.hear_nothing(server, why);
    }

    /// Says that the server refused, and with which status and details.
    #[wasm_bindgen(js_name = hearRefusal)]
    pub fn hear_refusal(&mut self, server: usize, code: u8, message: &str, details: &[u8]) {
        self.0.hear_refusal(server, code, message, details);
    }

    /// Calls nobody any more.
    pub fn cancel(&mut self) {
        self.0.cancel();
    }

    /// What the task told: `{value, evidence}`.
    ///
    /// # Errors
    /// When the task failed.
    pub fn take(&mut self) -> Result<JsValue, JsValue> {
        let told = self.0.take().map_err(|error| host_error(&error))?;
        let object = Object::new();
        set(&object, "value", &to_js(&told.value));
        let evidence = told.evidence.as_deref().map(Uint8Array::from);
        set(&object, "evidence", &evidence.map_or(JsValue::UNDEFINED, Into::into));
        Ok(object.into())
    }

    /// What is trusted, also while a task is on its way; `null` before the client began.
    #[must_use]
    pub fn trusted(&self) -> JsValue {
        to_js(&self.0.trusted())
    }

    /// What to keep.
    #[wasm_bindgen(js_name = toBytes)]
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        self.0.to_bytes()
    }

    /// What is known of the servers and the network: `{lies, remarks, hops, bytes_received,
    /// upgrade_ahead}`, a lie as `{url, fault, evidence}`; `null` while a task is on its way.
    #[must_use]
    pub fn report(&self) -> JsValue {
        let report = to_js(&self.0.report());
        #[cfg(feature = "evidence")]
        self.add_evidence(&report);
        report
    }
}

#[cfg(feature = "evidence")]
impl Client {
    /// Adds to each lie what shows it to others.
    fn add_evidence(&self, report: &JsValue) {
        let lies = js_sys::Reflect::get(report, &"lies".into()).unwrap_or_default();
        if Array::is_array(&lies) {
            for (index, lie) in Array::from(&lies).iter().enumerate() {
                let evidence = self.0.misbehaviour(index);
                let evidence = evidence.as_deref().map(Uint8Array::from);
                let evidence = evidence.map_or(JsValue::UNDEFINED, Into::into);
                set(&Object::from(lie), "evidence", &evidence);
            }
        }
    }
}

fn told(begun: Result<(), HostError>) -> Result<(), JsValue> {
    begun.map_err(|error| host_error(&error))
}

fn call(object: &Object, server: usize, path: &str, message: &[u8]) {
    set(object, "server", &whole(server as u64));
    set(object, "path", &path.into());
    set(object, "message", &Uint8Array::from(message).into());
}

fn moment(elapsed_ms: f64, now_ms: f64) -> Moment {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times are positive and far below the largest"
    )]
    let (elapsed_ms, unix_ms) = (elapsed_ms as u64, now_ms as u64);
    Moment { elapsed: Duration::from_millis(elapsed_ms), unix_ms }
}
