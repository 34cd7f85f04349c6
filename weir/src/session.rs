//! A client that begins at what is kept, and keeps what it proves.

use anyhow::anyhow;
use weir_client::sync::{AskError, LightClient, Outcome};
use weir_client::transport::Servers;
use weir_proto::weir::v1::Proof;
use weir_protocol::evidence::Question;
use weir_verifier::TrustedState;

use super::args::Arguments;
use super::state_folder::{Kept, StateFolder};
use super::{evidence, message};

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
            None => LightClient::start(servers, checkpoint).await?,
        };
        Ok(Self { client: client.with_clock(arguments.clock()), folder })
    }

    /// Keeps what was proved, also when the end of it failed: the part before stays proved.
    /// The lies on the way are told.
    pub(crate) async fn end<T>(&mut self, result: Result<T, AskError>) -> anyhow::Result<T> {
        let kept = self.keep();
        self.client.prove_lies().await;
        evidence::tell_lies(self.folder.as_ref(), self.client.lies(), ending(&result));
        match (result, kept) {
            (Ok(value), Ok(_)) => Ok(value),
            (Ok(_), Err(error)) => Err(error),
            (Err(failed), kept) => {
                if let Err(error) = kept {
                    eprintln!("weir: {}", message(&error));
                }
                Err(failed.into())
            }
        }
    }

    fn keep(&self) -> anyhow::Result<Kept> {
        let trusted: &TrustedState = self.client.trusted();
        self.folder.as_ref().map_or(Ok(Kept::Current), |folder| folder.keep(trusted))
    }
}

/// An answer with the evidence from the checkpoint on, which leaves what is kept alone.
pub(crate) async fn ask_for_evidence(
    arguments: &Arguments,
    question: &Question,
) -> anyhow::Result<Outcome> {
    let (servers, checkpoint) = (servers(arguments)?, arguments.checkpoint()?);
    let client = LightClient::start_keeping_evidence(servers, checkpoint).await?;
    let mut client = client.with_clock(arguments.clock());
    let outcome = client.ask(question, Proof::Sealed).await;
    client.prove_lies().await;
    evidence::tell_lies(Some(&arguments.folder()?), client.lies(), ending(&outcome));
    Ok(outcome?)
}

/// The servers to ask.
pub(crate) fn servers(arguments: &Arguments) -> anyhow::Result<Servers> {
    let advice = "pass --server URL, for example --server http://127.0.0.1:9400";
    Servers::new(&arguments.servers).map_err(|none| anyhow!("{none}: {advice}"))
}

/// The server that a failure is about.
fn ending<T>(result: &Result<T, AskError>) -> Option<&str> {
    match result {
        Err(AskError::Rejected { url, .. }) => Some(url),
        _ => None,
    }
}
