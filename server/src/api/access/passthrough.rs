//! Methods that Weir cannot answer, passed on to an access node, or refused.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::{Service, ServiceExt as _};
use weir_dial::Channel;

/// Response metadata of an answer that another node gave, and that nobody checked.
pub const UNVERIFIED_METADATA: &str = "weir-unverified";

/// Hands the methods that are answered here to `inner`, and all others to an upstream access node.
#[derive(Clone, Debug)]
pub struct Passthrough<S> {
    inner: S,
    rest: Rest,
}

/// Which methods are answered here, and what becomes of the others.
#[derive(Clone, Debug)]
pub struct Rest {
    /// Names of the methods that are answered here.
    pub answered: &'static [&'static str],
    /// Who answers the others, unverified; none refuses them.
    pub upstream: Option<Channel>,
    /// Why one is refused, after its name.
    pub refusal: &'static str,
}

impl Rest {
    /// What is not answered from a store goes to `upstream`, if there is one.
    #[must_use]
    pub fn of_store(upstream: Option<Channel>) -> Self {
        Self { answered: &ANSWERED, upstream, refusal: REFUSAL }
    }
}

impl<S> Passthrough<S> {
    /// What `inner` does not answer goes as `rest` says.
    pub fn new(inner: S, rest: Rest) -> Self {
        Self { inner, rest }
    }
}

impl<S: NamedService> NamedService for Passthrough<S> {
    const NAME: &'static str = S::NAME;
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S> Service<Request<Body>> for Passthrough<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        if self.rest.answered.contains(&method) {
            return Box::pin(self.inner.call(request));
        }
        match self.rest.upstream.clone() {
            Some(upstream) => Box::pin(pass_on(upstream, request)),
            None => {
                let status = Status::unimplemented(format!("{method} {}", self.rest.refusal));
                Box::pin(async move { Ok(status.into_http()) })
            }
        }
    }
}

async fn pass_on(upstream: Channel, request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let answer = upstream.oneshot(request).await;
    let mut response = answer.unwrap_or_else(|error| {
        Status::unavailable(format!("the upstream access node cannot be reached: {error}"))
            .into_http()
    });
    response.headers_mut().insert(UNVERIFIED_METADATA, HeaderValue::from_static("true"));
    Ok(response)
}

const REFUSAL: &str = "is not answered from protocol state; start weir-server with --pass-on URL to \
                       have an access node answer it, unverified";
/// The methods that are answered from the store.
const ANSWERED: [&str; 23] = [
    "Ping",
    "GetNodeVersionInfo",
    "GetNetworkParameters",
    "GetLatestBlockHeader",
    "GetBlockHeaderByID",
    "GetBlockHeaderByHeight",
    "GetLatestBlock",
    "GetBlockByID",
    "GetBlockByHeight",
    "GetLatestProtocolStateSnapshot",
    "GetProtocolStateSnapshotByBlockID",
    "GetProtocolStateSnapshotByHeight",
    "GetExecutionResultForBlockID",
    "GetExecutionResultByID",
    "SubscribeBlocksFromStartBlockID",
    "SubscribeBlocksFromStartHeight",
    "SubscribeBlocksFromLatest",
    "SubscribeBlockHeadersFromStartBlockID",
    "SubscribeBlockHeadersFromStartHeight",
    "SubscribeBlockHeadersFromLatest",
    "SubscribeBlockDigestsFromStartBlockID",
    "SubscribeBlockDigestsFromStartHeight",
    "SubscribeBlockDigestsFromLatest",
];
