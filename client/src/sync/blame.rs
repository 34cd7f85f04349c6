//! Answers that do not verify: what becomes of the server, and of what it said.

use super::{AskError, LightClient};
use crate::transport::Servers;
use crate::verifier::{Act, Asked, Misbehaviour, Rejection};

/// A server whose answer did not verify.
#[derive(Clone, Debug, PartialEq)]
pub struct Lie {
    /// Its URL.
    pub url: String,
    /// Why.
    pub rejection: Rejection,
    /// What shows it to others; none of an answer that only was not enough.
    pub misbehaviour: Option<Misbehaviour>,
}

impl LightClient {
    /// Servers set aside since the client began, and why.
    #[must_use]
    pub fn lies(&self) -> &[Lie] {
        &self.lies
    }

    /// Takes the answer of the present server for what it is, and goes on to the next server.
    ///
    /// # Errors
    /// When there is no other server.
    pub(super) fn reject(
        &mut self,
        rejection: Rejection,
        answer: Option<(Asked, Vec<u8>)>,
    ) -> Result<(), AskError> {
        let seen_at_ms = self.clock.timing()?.now_ms();
        let checkpoint_id = self.trusted.checkpoint().block_id;
        let misbehaviour = answer
            .map(|(asked, answer)| misbehaviour(self.servers.url(), seen_at_ms, asked, answer))
            .filter(|misbehaviour| misbehaviour.verify(checkpoint_id).is_ok());
        set_aside(&mut self.servers, &mut self.lies, rejection, misbehaviour)
    }
}

pub(super) fn misbehaviour(
    url: &str,
    seen_at_ms: u64,
    asked: Asked,
    answer: Vec<u8>,
) -> Misbehaviour {
    Misbehaviour { server: url.to_owned(), seen_at_ms, act: Act::WrongAnswer { asked, answer } }
}

/// Goes on to the next server.
///
/// # Errors
/// When there is none.
pub(super) fn set_aside(
    servers: &mut Servers,
    lies: &mut Vec<Lie>,
    rejection: Rejection,
    misbehaviour: Option<Misbehaviour>,
) -> Result<(), AskError> {
    let url = servers.url().to_owned();
    lies.push(Lie { url: url.clone(), rejection: rejection.clone(), misbehaviour });
    if servers.set_aside(&rejection) { Ok(()) } else { Err(AskError::rejected(&url, rejection)) }
}
