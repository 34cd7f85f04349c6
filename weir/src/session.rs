//! A client that begins at what is kept, and keeps what it proves.

use anyhow::anyhow;
use weir_client::sync::{self, AskError, LightClient, Outcome, Remark};
use weir_client::transport::Servers;
use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Question, TreeRequest};
use weir_protocol::snapshot_tree::TreeAnswer;
use weir_verifier::TrustedState;
use weir_verifier::json::Shape;

use super::args::Arguments;
use super::evidence::Kept;
use super::say::say;
use super::state_folder::{self, StateFolder};
use super::{evidence, message, upgrade};

/// The client, and where its trusted state is kept.
pub(crate) struct Session {
    pub(crate) client: LightClient,
    pub(super) folder: Option<StateFolder>,
}

impl Session {
    /// Begins at the kept trusted state, or else at the checkpoint.
    pub(crate) async fn begin(arguments: &Arguments) -> anyhow::Result<Self> {
        let servers = servers(arguments)?;
        let checkpoint = arguments.checkpoint()?;
        let folder = if arguments.no_state { None } else { Some(arguments.folder()?) };
        let kept = match &folder {
            Some(folder) => folder.load(checkpoint)?,
            None => None,
        };
        let client = match kept {
            Some(kept) => LightClient::resume(servers, kept),
            None => {
                let started = LightClient::start(servers, checkpoint).await;
                begun(started, &Kept { folder: folder.as_ref(), checkpoint })?
            }
        };
        Ok(Self { client: client.with_clock(arguments.clock()), folder })
    }

    /// Keeps what was proved, also when the end of it failed: the part before stays proved.
    /// The lies on the way are told.
    pub(crate) async fn end<T>(&mut self, result: Result<T, AskError>) -> anyhow::Result<T> {
        let kept = self.keep();
        self.client.prove_lies().await;
        evidence::tell_lies(&self.kept(), self.client.lies(), ending(&result));
        tell_remarks(self.client.remarks(), &result);
        tell_upgrade(self.client.trusted(), &result);
        match (result, kept) {
            (Ok(value), Ok(_)) => Ok(value),
            (Ok(_), Err(error)) => Err(error),
            (Err(failed), kept) => {
                if let Err(error) = kept {
                    say(&message(&error));
                }
                Err(failed.into())
            }
        }
    }

    /// Where what servers said is kept.
    pub(crate) fn kept(&self) -> Kept<'_> {
        let checkpoint = self.client.trusted().checkpoint().block_id;
        Kept { folder: self.folder.as_ref(), checkpoint }
    }

    fn keep(&self) -> anyhow::Result<state_folder::Kept> {
        let trusted: &TrustedState = self.client.trusted();
        let current = Ok(state_folder::Kept::Current);
        self.folder.as_ref().map_or(current, |folder| folder.keep(trusted))
    }
}

/// Asks a question; how far a block is can be told whatever its protocol version.
pub(crate) async fn ask(
    client: &mut LightClient,
    question: &Question,
    shape: Shape,
) -> Result<Outcome, AskError> {
    if shape == Shape::Status {
        return client.status(question.block, Depth::Seal).await;
    }
    client.ask(question, Depth::Seal).await
}

/// An answer with the evidence from the checkpoint on, which leaves what is kept alone.
pub(crate) async fn ask_for_evidence(
    arguments: &Arguments,
    question: &Question,
    shape: Shape,
) -> anyhow::Result<Outcome> {
    let (servers, checkpoint) = (servers(arguments)?, arguments.checkpoint()?);
    let folder = arguments.folder()?;
    let kept = Kept { folder: Some(&folder), checkpoint };
    let started = LightClient::start_keeping_evidence(servers, checkpoint).await;
    let mut client = begun(started, &kept)?.with_clock(arguments.clock());
    let outcome = ask(&mut client, question, shape).await;
    client.prove_lies().await;
    evidence::tell_lies(&kept, client.lies(), ending(&outcome));
    tell_remarks(client.remarks(), &outcome);
    tell_upgrade(client.trusted(), &outcome);
    Ok(outcome?)
}

/// An answer of the snapshot tree with this root, which the user trusts; lies on the way are told, and
/// not kept, for no checkpoint shows them to others.
pub(crate) async fn ask_tree_with_root(
    arguments: &Arguments,
    root: Identifier,
    asked: TreeRequest,
) -> anyhow::Result<TreeAnswer> {
    let (answer, lies) = sync::ask_tree_with_root(servers(arguments)?, root, asked).await;
    evidence::say_lies(&lies, ending(&answer));
    Ok(answer?.into_value())
}

/// A client that has begun; when none has, what servers did is told all the same.
fn begun(started: Result<LightClient, AskError>, kept: &Kept<'_>) -> Result<LightClient, AskError> {
    if let Err(AskError::Rejected { lies, .. }) = &started {
        evidence::tell_lies(kept, lies, ending(&started));
    }
    started
}

/// The servers to ask.
fn servers(arguments: &Arguments) -> anyhow::Result<Servers> {
    let advice = "pass --server URL, for example --server http://127.0.0.1:9400";
    let servers = Servers::new(&arguments.servers).map_err(|none| anyhow!("{none}: {advice}"))?;
    Ok(servers.with_dialer(arguments.asking.dialer()?))
}

/// Says what else is known of the servers, but what the error says that ends the command.
fn tell_remarks<T>(remarks: &[Remark], result: &Result<T, AskError>) {
    let ending = result.as_ref().err().map(ToString::to_string);
    for remark in remarks.iter().map(ToString::to_string) {
        if ending.as_ref() != Some(&remark) {
            say(&remark);
        }
    }
}

/// Says that an upgrade is ahead, unless the error that ends the command says so.
fn tell_upgrade<T>(trusted: &TrustedState, result: &Result<T, AskError>) {
    if !result.as_ref().is_err_and(AskError::is_beyond_upgrade) {
        upgrade::warning(trusted).iter().for_each(say);
    }
}

/// The server that a failure is about.
fn ending<T>(result: &Result<T, AskError>) -> Option<&str> {
    match result {
        Err(AskError::Rejected { url, .. }) => Some(url),
        _ => None,
    }
}
