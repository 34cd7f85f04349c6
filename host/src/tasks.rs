//! Tasks of a client.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use weir_protocol::request::Question;
use weir_verifier::TrustedState;
use weir_verifier::json::{self as verifier_json, Shape};
#[cfg(feature = "watch")]
use weir_walk::watch::{Watch, WatchOptions, json as watch_json};
use weir_walk::{AskError, Outcome, ServerReport, SyncProgress, Walker};

#[cfg(feature = "watch")]
use crate::WatchFields;
use crate::client::{Ended, Seen, Told, Traveller};
#[cfg(all(feature = "tree", feature = "watch"))]
use crate::fields::Fields;
use crate::{Client, Depth, HostError};

impl Client {
    /// Begins the task that an object names: `{"task": "sync"}`, `{"task": "ask", "question", "proof"?,
    /// "view"?}`, `{"task": "tree_root", "block"}`, `{"task": "ask_tree", "block", "items"}` or `{"task":
    /// "next_event", "watch"?}`; see the methods of these names.
    ///
    /// # Errors
    /// As theirs, and when it names none.
    #[cfg(all(feature = "tree", feature = "watch"))]
    pub fn begin_task(&mut self, task: &Value) -> Result<(), HostError> {
        let name = task.get("task").and_then(Value::as_str).unwrap_or_default();
        let what = format!("the task `{name}`");
        let fields = |names: &[&str]| Fields::read(task, &what, &[&["task"], names].concat());
        let field = |fields: Fields<'_>, name| fields.get(name).cloned().unwrap_or_default();
        match name {
            "sync" => fields(&[]).and_then(|_| self.sync()),
            "ask" => {
                let fields = fields(&["question", "proof", "view"])?;
                let depth = Depth::read(fields.text("proof")?)?;
                self.ask(&field(fields, "question"), depth, fields.text("view")?)
            }
            "tree_root" => self.tree_root(&field(fields(&["block"])?, "block")),
            "ask_tree" => {
                let fields = fields(&["block", "items"])?;
                self.ask_tree(&field(fields, "block"), &field(fields, "items"))
            }
            "next_event" => self.next_event(WatchFields(&field(fields(&["watch"])?, "watch"))),
            _ => Err(HostError::usage(&"a task is sync, ask, tree_root, ask_tree or next_event")),
        }
    }

    /// Walks to the newest epoch and proves the newest final block; then asks the other servers as
    /// witnesses. Tells `{answer, servers}`, the answer as [`Self::ask`] tells it and each server as
    /// `{url, head_height, lag, verdict}`; a witness may have led on to a newer head than the answer's.
    ///
    /// # Errors
    /// When another task is on its way.
    pub fn sync(&mut self) -> Result<(), HostError> {
        self.walk(|walker, seen| {
            Box::pin(async move {
                let progress = |reached: &SyncProgress, trusted: &TrustedState| {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.progress = Some(reached.clone());
                    seen.trusted = Some(trusted.clone());
                };
                let outcome = walker.sync(progress).await?;
                let testimonies = walker.cross_check().await?;
                let answer = verifier_json::render(Shape::Snapshot, &outcome.answer);
                let servers: Value = walker.reports(&testimonies).map(server).collect();
                Ok(told(json!({ "answer": answer, "servers": servers }), &outcome))
            })
        })
    }

    /// Asks a question, `{block, topic}`, and tells the answer as `weir --json` prints it; `view` says
    /// which part of a snapshot, `epoch` or `status`.
    ///
    /// # Errors
    /// When it is no question, or another task is on its way.
    pub fn ask(
        &mut self,
        question: &Value,
        depth: Depth,
        view: Option<&str>,
    ) -> Result<(), HostError> {
        let question: Question = verifier_json::question(question)?;
        let shape = verifier_json::shape(&question, view)?;
        self.walk(move |walker, _| {
            Box::pin(async move {
                let outcome = match shape {
                    // Needs no protocol state, whatever its version.
                    Shape::Status => walker.status(question.block, depth.0).await?,
                    _ => walker.ask(&question, depth.0).await?,
                };
                Ok(told(verifier_json::render(shape, &outcome.answer), &outcome))
            })
        })
    }

    #[cfg(feature = "tree")]
    /// Asks for the root of a block's snapshot tree, and tells `{root, committed, block_id, height, view,
    /// trust, protocol_state_id}`.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn tree_root(&mut self, block: &Value) -> Result<(), HostError> {
        let block = verifier_json::selector(block)?;
        self.walk(move |walker, _| {
            Box::pin(async move {
                let root = walker.tree_root(block).await?;
                Ok(Told { value: verifier_json::tree_root(&root), evidence: None })
            })
        })
    }

    #[cfg(feature = "tree")]
    /// Asks a question about a block's snapshot tree: a list of `{"node": ID}`, `{"role": NAME}`,
    /// `{"field": NAME}` and `"table"`. Tells what [`Self::tree_root`] tells, and `answer`: `{nodes, roles,
    /// fields, identities}`.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn ask_tree(&mut self, block: &Value, items: &Value) -> Result<(), HostError> {
        let block = verifier_json::selector(block)?;
        let question = verifier_json::tree_question(items)?;
        self.walk(move |walker, _| {
            Box::pin(async move {
                let (root, answer) = walker.ask_tree(block, &question).await?;
                let mut value = verifier_json::tree_root(&root);
                value["answer"] = verifier_json::tree_answer(&answer);
                Ok(Told { value, evidence: None })
            })
        })
    }

    #[cfg(feature = "watch")]
    /// Watches from now on, and tells the next event; see [`WatchFields`] for what the first call says.
    /// After it, the client does nothing but watch.
    ///
    /// # Errors
    /// When a field is not what it should be, or another task is on its way.
    pub fn next_event(&mut self, watched: WatchFields<'_>) -> Result<(), HostError> {
        let options = watched.read()?;
        self.begin(|traveller, _| Ok(watching(traveller, options).into_walk(next_event)))
    }

    /// Begins a task, after which what shows lies is proved as far as it can be.
    fn walk(
        &mut self,
        task: impl for<'a> FnOnce(&'a mut Walker, Arc<Mutex<Seen>>) -> Task<'a> + Send + 'static,
    ) -> Result<(), HostError> {
        self.begin(|traveller, seen| match traveller {
            Traveller::Walker(walker) => Ok(walker.into_walk(async |mut walker| {
                #[cfg(feature = "evidence")]
                let before = walker.lies().len();
                let told = task(&mut walker, seen).await;
                #[cfg(feature = "evidence")]
                if walker.lies().len() > before {
                    walker.prove_lies().await;
                }
                let told = told.map_err(HostError::from);
                Ended::at(Traveller::Walker(Box::new(walker)), told)
            })),
            #[cfg(feature = "watch")]
            watch @ Traveller::Watch(_) => Err(watch),
        })
    }
}

/// A task on its way.
type Task<'a> = Pin<Box<dyn Future<Output = Result<Told, AskError>> + Send + 'a>>;

#[cfg(feature = "watch")]
fn watching(traveller: Traveller, options: WatchOptions) -> Watch {
    match traveller {
        Traveller::Walker(walker) => Watch::new(*walker, options),
        Traveller::Watch(watch) => *watch,
    }
}

#[cfg(feature = "watch")]
async fn next_event(mut watch: Watch) -> Ended {
    #[cfg(feature = "evidence")]
    let before = watch.walker().lies().len();
    let told = match watch.next().await {
        Ok(event) => Ok(Told { value: watch_json::event(&event), evidence: None }),
        Err(error) => Err(error.into()),
    };
    #[cfg(feature = "evidence")]
    if watch.walker().lies().len() > before {
        watch.prove_lies().await;
    }
    Ended::at(Traveller::Watch(Box::new(watch)), told)
}

#[cfg(feature = "evidence")]
fn told(value: Value, outcome: &Outcome) -> Told {
    let evidence = outcome.file.as_ref().map(weir_protocol::evidence::EvidenceFile::to_bytes);
    Told { value, evidence }
}

/// Nothing is kept to make evidence of.
#[cfg(not(feature = "evidence"))]
fn told(value: Value, _outcome: &Outcome) -> Told {
    Told { value, evidence: None }
}

fn server(report: ServerReport<'_>) -> Value {
    let ServerReport { url, head_height, lag, verdict } = report;
    json!({ "url": url, "head_height": head_height, "lag": lag, "verdict": verdict })
}
