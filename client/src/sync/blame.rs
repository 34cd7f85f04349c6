//! Answers that do not verify: what becomes of the server, and of what it said.

use weir_protocol::model::Identifier;

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
        let misbehaviour = answer.and_then(|(asked, answer)| {
            misbehaviour(self.servers.url(), checkpoint_id, seen_at_ms, (asked, answer))
        });
        set_aside(&mut self.servers, &mut self.lies, rejection, misbehaviour)
    }
}

/// What shows a wrong answer to others, if it breaks a rule.
pub(super) fn misbehaviour(
    url: &str,
    checkpoint_id: Identifier,
    seen_at_ms: u64,
    (asked, answer): (Asked, Vec<u8>),
) -> Option<Misbehaviour> {
    let act = Act::WrongAnswer { asked, answer };
    let found = Misbehaviour { server: url.to_owned(), seen_at_ms, act };
    found.verify(checkpoint_id).is_ok().then_some(found)
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
