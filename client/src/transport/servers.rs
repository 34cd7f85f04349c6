//! Connections to several servers. Whom to ask is the walk's to say; this does it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use weir_dial::Dialer;
use weir_walk::{
    Asked, Call, Heard, Moment, NoPeer, ServerSays, SharedPeers, Standing, Step, Walk,
};

use super::{Notices, REQUEST_TIMEOUT, Server, SharedServers, TransportError};

/// Servers to ask, by preference.
#[derive(Debug)]
pub struct Servers {
    endpoints: Vec<Endpoint>,
    /// The subscription that is open.
    notices: Option<Notices>,
    request_timeout: Duration,
    dialer: Dialer,
    /// How they have behaved, where others ask them too.
    shared: Option<SharedPeers>,
    began: Instant,
}

#[derive(Debug)]
struct Endpoint {
    /// Its URL, with the key that it is known by.
    address: String,
    /// The connection, once there is one.
    server: Option<Server>,
}

impl Servers {
    /// Servers at these URLs, by preference, each with its key after `#` if it is known by one
    /// ([`Server::connect`]); they are connected to when they are asked.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(urls: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, NoPeer> {
        let endpoint = |address: String| Endpoint { address, server: None };
        let endpoints: Vec<_> = urls.into_iter().map(|url| endpoint(url.into())).collect();
        if endpoints.is_empty() {
            return Err(NoPeer);
        }
        Ok(Self::of(endpoints, Dialer::default()))
    }

    /// Connects with this dialer, which says whom to trust.
    #[must_use]
    pub fn with_dialer(self, dialer: Dialer) -> Self {
        Self { dialer, ..self }
    }

    /// Waits so long for each whole answer, instead of [`REQUEST_TIMEOUT`].
    #[must_use]
    pub fn with_request_timeout(self, request_timeout: Duration) -> Self {
        Self { request_timeout, ..self }
    }

    fn of(endpoints: Vec<Endpoint>, dialer: Dialer) -> Self {
        let (began, request_timeout) = (Instant::now(), REQUEST_TIMEOUT);
        Self { endpoints, notices: None, request_timeout, dialer, shared: None, began }
    }

    /// Servers that others ask, too: what each learns of how they behave, all know.
    #[must_use]
    pub fn sharing(servers: &SharedServers) -> Self {
        let named =
            |(url, _): (&str, &Standing)| Endpoint { address: url.to_owned(), server: None };
        let endpoints = servers.peers.with(|peers| peers.iter().map(named).collect());
        let shared = Some(servers.peers.clone());
        Self { shared, began: servers.began, ..Self::of(endpoints, servers.dialer.clone()) }
    }

    pub(crate) fn shared(&self) -> Option<&SharedPeers> {
        self.shared.as_ref()
    }

    /// Their URLs, by preference.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.endpoints.iter().map(Endpoint::url)
    }

    /// Does what a walk asks for until it ends.
    pub(crate) async fn drive<T>(&mut self, mut walk: Walk<'_, T>) -> T {
        loop {
            match walk.poll(self.now()) {
                Step::Call(asked) => walk.hear(self.call(asked).await),
                Step::Done(value) => return value,
                Step::Waits => unreachable!("a walk hears of each call before it is polled again"),
            }
        }
    }

    async fn call(&mut self, Asked { peer, call }: Asked) -> Heard {
        let heard = self.answer(peer, call).await;
        heard.unwrap_or_else(|error| {
            if error.is_silence() {
                // A broken connection is not used again.
                self.endpoints[peer].server = None;
            }
            Heard::NoAnswer(error)
        })
    }

    async fn answer(&mut self, peer: usize, call: Call) -> Result<Heard, TransportError> {
        Ok(match call {
            Call::Send(request) => Heard::Reply(self.connected(peer).await?.send(&request).await?),
            Call::Info => {
                let info = self.connected(peer).await?.info().await?;
                Heard::ServerSays(ServerSays { epoch_counter: info.epoch_counter })
            }
            Call::Subscribe(watched) => {
                self.notices = None;
                self.notices = Some(self.connected(peer).await?.watch(&watched).await?);
                Heard::Subscribed
            }
            Call::Notice { patience } => {
                let url = self.endpoints[peer].url().to_owned();
                let message = "there is no subscription".to_owned();
                let lost = TransportError::Unavailable { url, message };
                Heard::Notice(self.notices.as_mut().ok_or(lost)?.next(patience).await?)
            }
        })
    }

    async fn connected(&mut self, peer: usize) -> Result<&mut Server, TransportError> {
        let Endpoint { address, server } = &mut self.endpoints[peer];
        let connected = match server.take() {
            Some(connected) => connected,
            None => {
                let connected = Server::dial(address, &self.dialer).await?;
                connected.with_request_timeout(self.request_timeout)
            }
        };
        Ok(server.insert(connected))
    }

    fn now(&self) -> Moment {
        Moment { elapsed: self.began.elapsed(), unix_ms: unix_ms() }
    }
}

impl From<Server> for Servers {
    fn from(server: Server) -> Self {
        let (request_timeout, dialer) = (server.request_timeout, server.dialer.clone());
        let endpoint = Endpoint { address: server.address(), server: Some(server) };
        Self::of(vec![endpoint], dialer).with_request_timeout(request_timeout)
    }
}

impl Endpoint {
    /// Its URL, without a key.
    fn url(&self) -> &str {
        self.address.split_once('#').map_or(&self.address, |(url, _)| url)
    }
}

/// What the system's clock says, Unix milliseconds.
#[must_use]
pub fn unix_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}
