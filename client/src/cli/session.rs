//! A client that begins at what is kept, and keeps what it proves.

use anyhow::Context as _;
use weir_client::sync::{AskError, LightClient};
use weir_client::transport::Server;
use weir_client::verifier::TrustedState;

use super::args::Arguments;
use super::message;
use super::state_folder::{Kept, StateFolder};

/// The client, and where its trusted state is kept.
pub(crate) struct Session {
    pub(crate) client: LightClient,
    pub(super) folder: Option<StateFolder>,
}

impl Session {
    /// Begins at the kept trusted state, or else at the checkpoint.
    pub(crate) async fn begin(arguments: &Arguments) -> anyhow::Result<Self> {
        let url = url(arguments)?;
        let checkpoint = arguments.checkpoint()?;
        let folder = if arguments.no_state { None } else { Some(arguments.folder()?) };
        let kept = match &folder {
            Some(folder) => folder.load(checkpoint)?,
            None => None,
        };
        let server = connect(url).await?;
        let client = match kept {
            Some(kept) => LightClient::resume(server, kept),
            None => LightClient::start(server, checkpoint).await?,
        };
        Ok(Self { client: client.with_clock(arguments.clock()), folder })
    }

    /// Keeps what was proved, also when the end of it failed: the part before stays proved.
    pub(crate) fn end<T>(&self, result: Result<T, AskError>) -> anyhow::Result<T> {
        let kept = self.keep();
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

/// A client that keeps evidence from the checkpoint on, and leaves what is kept alone.
pub(crate) async fn begin_for_evidence(arguments: &Arguments) -> anyhow::Result<LightClient> {
    let url = url(arguments)?;
    let checkpoint = arguments.checkpoint()?;
    let server = connect(url).await?;
    let client = LightClient::start_keeping_evidence(server, checkpoint).await?;
    Ok(client.with_clock(arguments.clock()))
}

/// A server to ask, and nothing that is trusted.
pub(crate) async fn connect_to(arguments: &Arguments) -> anyhow::Result<Server> {
    Ok(connect(url(arguments)?).await?)
}

async fn connect(url: &str) -> Result<Server, AskError> {
    Ok(Server::connect(url).await?)
}

fn url(arguments: &Arguments) -> anyhow::Result<&str> {
    let url = arguments.server.as_deref();
    url.context("no server given: pass --server URL, for example --server http://127.0.0.1:9400")
}
