//! Several servers, of which one is asked at a time.

use std::fmt;
use std::time::Duration;

use weir_proto::weir::v1::GetServerInfoResponse;
use weir_protocol::request::{Request, WatchRequest};

use super::{Notices, REQUEST_TIMEOUT, Reply, Server, TransportError};

/// Servers to ask, by preference.
///
/// One that gives no answer is left for the next one; one whose answer does not verify is set aside
/// for good. A refusal is an answer, and is handed on.
#[derive(Debug)]
pub struct Servers {
    endpoints: Vec<Endpoint>,
    current: usize,
    request_timeout: Duration,
}

#[derive(Debug)]
struct Endpoint {
    /// Its URL, with the key that it is known by.
    address: String,
    /// The connection, once there is one.
    server: Option<Server>,
    health: Health,
}

/// What a server's answers so far say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It was not asked yet.
    Untried,
    /// It answered when last asked.
    Good,
    /// It gave no answer when last asked.
    Unreachable {
        /// What happened.
        message: String,
    },
    /// Its answer did not verify; it is not asked again.
    SetAside {
        /// Why.
        reason: String,
    },
}

impl Servers {
    /// Servers at these URLs, by preference, each with its key after `#` if it is known by one
    /// ([`Server::connect`]); they are connected to when they are asked.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(urls: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, NoServer> {
        let endpoint =
            |address: String| Endpoint { address, server: None, health: Health::Untried };
        let endpoints: Vec<_> = urls.into_iter().map(|url| endpoint(url.into())).collect();
        if endpoints.is_empty() {
            return Err(NoServer);
        }
        Ok(Self { endpoints, current: 0, request_timeout: REQUEST_TIMEOUT })
    }

    /// Waits so long for each whole answer, instead of [`REQUEST_TIMEOUT`].
    #[must_use]
    pub fn with_request_timeout(self, request_timeout: Duration) -> Self {
        Self { request_timeout, ..self }
    }

    /// All servers, by preference, and how they are.
    pub fn health(&self) -> impl Iterator<Item = (&str, &Health)> {
        self.endpoints.iter().map(|endpoint| (endpoint.url(), &endpoint.health))
    }

    /// The server that is asked next.
    #[must_use]
    pub fn url(&self) -> &str {
        self.endpoints[self.current].url()
    }

    /// Sends a request to the first server that answers.
    ///
    /// # Errors
    /// When it refuses, or no server answers.
    pub async fn send(&mut self, request: &Request) -> Result<Reply, TransportError> {
        let mut tried = Vec::new();
        loop {
            let answer = self.connected(&mut tried).await?.send(request).await;
            if let Some(answer) = self.answered(answer, &mut tried)? {
                return Ok(answer);
            }
        }
    }

    /// What the first server that answers says of itself; nothing proves it.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn info(&mut self) -> Result<GetServerInfoResponse, TransportError> {
        let mut tried = Vec::new();
        loop {
            let answer = self.connected(&mut tried).await?.info().await;
            if let Some(answer) = self.answered(answer, &mut tried)? {
                return Ok(answer);
            }
        }
    }

    /// Subscribes at the first server that answers.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn watch(&mut self, watched: &WatchRequest) -> Result<Notices, TransportError> {
        let mut tried = Vec::new();
        loop {
            let answer = self.connected(&mut tried).await?.watch(watched).await;
            if let Some(answer) = self.answered(answer, &mut tried)? {
                return Ok(answer);
            }
        }
    }

    /// Leaves the present server for the next one after a subscription broke.
    ///
    /// # Errors
    /// With that error when there is no other server.
    pub(crate) fn lost(&mut self, error: TransportError) -> Result<(), TransportError> {
        self.unanswered(error, &mut Vec::new())
    }

    /// Leaves the present server for the next one, and thinks no worse of it; whether there is one.
    pub(crate) fn leave(&mut self) -> bool {
        self.next(&[])
    }

    /// Leaves the present server for one that was not asked about this yet, and thinks no worse of it:
    /// its answer was of no use, and no lie. Whether there is such a server.
    pub(crate) fn pass(&mut self, asked: &mut Passed) -> bool {
        asked.0.push(self.current);
        self.next(&asked.0)
    }

    /// Does not ask the present server again; whether there is another one to ask.
    pub fn set_aside(&mut self, reason: &impl fmt::Display) -> bool {
        let reason = reason.to_string();
        self.endpoints[self.current].health = Health::SetAside { reason };
        self.next(&[])
    }

    /// A connection to each of the other servers that is not set aside, or why there is none.
    pub(crate) async fn others(&mut self) -> Vec<(String, Result<Server, TransportError>)> {
        let mut others = Vec::new();
        for index in (0..self.endpoints.len()).filter(|index| *index != self.current) {
            let endpoint = &mut self.endpoints[index];
            if !matches!(endpoint.health, Health::SetAside { .. }) {
                let server = endpoint.connect(self.request_timeout).await.cloned();
                others.push((endpoint.url().to_owned(), server));
            }
        }
        others
    }

    /// The present server, connected.
    pub(crate) async fn present(&mut self) -> Result<Server, TransportError> {
        self.endpoints[self.current].connect(self.request_timeout).await.cloned()
    }

    /// The answer, if there is one; else the next server is the present one.
    fn answered<T>(
        &mut self,
        answer: Result<T, TransportError>,
        tried: &mut Vec<(usize, TransportError)>,
    ) -> Result<Option<T>, TransportError> {
        match answer {
            Ok(answer) => {
                self.endpoints[self.current].health = Health::Good;
                Ok(Some(answer))
            }
            Err(error) => self.unanswered(error, tried).map(|()| None),
        }
    }

    /// The present server, or else the next one that can be connected to.
    async fn connected(
        &mut self,
        tried: &mut Vec<(usize, TransportError)>,
    ) -> Result<&mut Server, TransportError> {
        loop {
            let connected = self.endpoints[self.current].connect(self.request_timeout).await;
            match connected.map(|_| ()) {
                Ok(()) => break,
                Err(error) => self.unanswered(error, tried)?,
            }
        }
        let server = self.endpoints[self.current].server.as_mut();
        Ok(server.expect("it was connected to just now"))
    }

    /// Goes on to another server, if the error is not a refusal and there is one left.
    fn unanswered(
        &mut self,
        error: TransportError,
        tried: &mut Vec<(usize, TransportError)>,
    ) -> Result<(), TransportError> {
        let endpoint = &mut self.endpoints[self.current];
        if !error.is_silence() {
            endpoint.health = Health::Good;
            return Err(error);
        }
        endpoint.server = None;
        endpoint.health = Health::Unreachable { message: error.to_string() };
        tried.push((self.current, error));
        let indices: Vec<_> = tried.iter().map(|(index, _)| *index).collect();
        if self.next(&indices) {
            return Ok(());
        }
        let mut errors: Vec<_> = tried.drain(..).map(|(_, error)| error).collect();
        Err(if errors.len() == 1 { errors.remove(0) } else { TransportError::All { errors } })
    }

    /// Makes the next server the present one, but those that were tried and those set aside.
    fn next(&mut self, tried: &[usize]) -> bool {
        let count = self.endpoints.len();
        let after = (1..count).map(|step| (self.current + step) % count);
        let is_left = |index: &usize| {
            let health = &self.endpoints[*index].health;
            !tried.contains(index) && !matches!(health, Health::SetAside { .. })
        };
        let next = after.into_iter().find(is_left);
        self.current = next.unwrap_or(self.current);
        next.is_some()
    }
}

impl From<Server> for Servers {
    fn from(server: Server) -> Self {
        let (address, request_timeout) = (server.address(), server.request_timeout);
        let endpoint = Endpoint { address, server: Some(server), health: Health::Untried };
        Self { endpoints: vec![endpoint], current: 0, request_timeout }
    }
}

impl Endpoint {
    /// Its URL, without a key.
    fn url(&self) -> &str {
        self.address.split_once('#').map_or(&self.address, |(url, _)| url)
    }

    async fn connect(&mut self, request_timeout: Duration) -> Result<&Server, TransportError> {
        let server = match self.server.take() {
            Some(server) => server,
            None => Server::connect(&self.address).await?.with_request_timeout(request_timeout),
        };
        Ok(self.server.insert(server))
    }
}

/// Servers whose answer to one question was of no use.
#[derive(Debug, Default)]
pub(crate) struct Passed(Vec<usize>);

/// No server was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no server given")]
pub struct NoServer;
