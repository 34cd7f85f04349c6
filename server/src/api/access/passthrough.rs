//! Methods that Weir cannot answer, passed on to an access node, or refused.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::Channel;
use tower::{Service, ServiceExt as _};

/// Response metadata of an answer that another node gave, and that nobody checked.
pub const UNVERIFIED_METADATA: &str = "weir-unverified";

/// Hands the methods that Weir answers to `inner`, and all others to an upstream access node.
#[derive(Clone, Debug)]
pub struct Passthrough<S> {
    inner: S,
    upstream: Option<Channel>,
}

impl<S> Passthrough<S> {
    /// With `upstream`, or refusing what `inner` does not answer.
    pub fn new(inner: S, upstream: Option<Channel>) -> Self {
        Self { inner, upstream }
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
        if ANSWERED.contains(&method) {
            return Box::pin(self.inner.call(request));
        }
        match self.upstream.clone() {
            Some(upstream) => Box::pin(pass_on(upstream, request)),
            None => {
                let status = unimplemented(method);
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

fn unimplemented(method: &str) -> Status {
    Status::unimplemented(format!(
        "{method} is not answered from protocol state; start weir-server with --pass-on URL to \
         have an access node answer it, unverified"
    ))
}

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
