//! The upstreams: whom to ask next, and how each has behaved.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::counter;
use prost::bytes::Bytes;
use tokio::time::{Instant, timeout};
use tonic::transport::Channel;
use tonic::{Response, Status};
use weir_client::transport::endpoint;
use weir_proto::convert::request_to_wire;
use weir_proto::evidence_client::EvidenceClient;
use weir_proto::flow::access::access_api_client::AccessApiClient;
use weir_proto::weir::v1::snapshot_api_client::SnapshotApiClient;
use weir_protocol::codec::snapshot::SNAPSHOT_LEN_MAX;
use weir_protocol::evidence::EVIDENCE_BYTES_MAX;
use weir_protocol::request::Request;

use crate::fault::{Fault, Unproved, is_silence};
use crate::options::StartError;

/// Upstreams by preference.
#[derive(Debug)]
pub(crate) struct Upstreams(Vec<Upstream>);

/// One upstream, connected to when it is asked.
#[derive(Debug)]
pub(crate) struct Upstream {
    url: String,
    snapshots: SnapshotApiClient<Channel>,
    /// As `snapshots`, for evidence: it decodes nothing else of an answer.
    evidence: EvidenceClient<Channel>,
    access: AccessApiClient<Channel>,
    timeout: Duration,
    behaviour: Mutex<Behaviour>,
}

#[derive(Debug, Default)]
struct Behaviour {
    /// It gave an answer that does not verify.
    is_set_aside: bool,
    /// It gave no answer when last asked.
    rests_until: Option<Instant>,
}

impl Upstreams {
    pub(crate) fn new(urls: &[String], timeout: Duration) -> Result<Self, StartError> {
        let upstreams: Vec<_> =
            urls.iter().map(|url| Upstream::new(url, timeout)).collect::<Result<_, _>>()?;
        if upstreams.is_empty() { Err(StartError::NoUpstream) } else { Ok(Self(upstreams)) }
    }

    /// Their URLs, by preference.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|upstream| upstream.url.as_str())
    }

    /// Longest wait for one answer.
    pub(crate) fn timeout(&self) -> Duration {
        self.0.first().map_or(Duration::ZERO, |upstream| upstream.timeout)
    }

    /// One request's way through the upstreams: the good ones by preference, then those that were
    /// silent lately, and those that were wrong last, for whatever they say is checked.
    pub(crate) fn turn(&self) -> Turn<'_> {
        let now = Instant::now();
        let mut order: Vec<&Upstream> = self.0.iter().collect();
        order.sort_by_cached_key(|upstream| upstream.rank(now));
        Turn { left: order.into_iter(), said: Vec::new(), unproved: None }
    }
}

impl Upstream {
    fn new(url: &str, timeout: Duration) -> Result<Self, StartError> {
        // Receipts are not asked for: a URL with a key is none here.
        let (url, endpoint) = endpoint(url).map_err(|_| StartError::Url { url: url.to_owned() })?;
        let channel = endpoint.connect_timeout(timeout).tcp_nodelay(true).connect_lazy();
        let snapshots = SnapshotApiClient::new(channel.clone())
            .max_decoding_message_size(EVIDENCE_BYTES_MAX + MESSAGE_OVERHEAD_BYTES);
        let evidence =
            EvidenceClient::new(channel.clone(), EVIDENCE_BYTES_MAX + MESSAGE_OVERHEAD_BYTES);
        let access = AccessApiClient::new(channel)
            .max_decoding_message_size(SNAPSHOT_LEN_MAX + MESSAGE_OVERHEAD_BYTES);
        let behaviour = Mutex::default();
        Ok(Self { url, snapshots, evidence, access, timeout, behaviour })
    }

    /// Its `weir.v1.SnapshotAPI`.
    pub(crate) fn snapshots(&self) -> SnapshotApiClient<Channel> {
        self.snapshots.clone()
    }

    /// Its `flow.access.AccessAPI`.
    pub(crate) fn access(&self) -> AccessApiClient<Channel> {
        self.access.clone()
    }

    /// An answer within the limit on time.
    pub(crate) async fn within<T>(
        &self,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Fault> {
        let limit = self.timeout;
        let late = |_| Status::deadline_exceeded(format!("no whole answer within {limit:?}"));
        let answer = timeout(limit, answer).await.map_err(late).and_then(|answer| answer);
        answer.map(Response::into_inner).map_err(Fault::Upstream)
    }

    /// The evidence that answers a request.
    pub(crate) async fn send(&self, request: &Request) -> Result<Bytes, Fault> {
        let mut evidence = self.evidence.clone();
        self.within(evidence.send(request_to_wire(request))).await
    }

    fn rank(&self, now: Instant) -> (bool, bool) {
        self.with(|behaviour| {
            let rests = behaviour.rests_until.is_some_and(|until| until > now);
            (behaviour.is_set_aside, rests)
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Behaviour) -> T) -> T {
        change(&mut self.behaviour.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One request's way through the upstreams.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    left: std::vec::IntoIter<&'a Upstream>,
    /// What came of those that were asked.
    said: Vec<String>,
    /// The first answer that the chain may not prove.
    pub(crate) unproved: Option<Box<Unproved>>,
}

impl<'a> Turn<'a> {
    /// The upstream to ask next.
    pub(crate) fn next(&mut self) -> Option<&'a Upstream> {
        self.left.next()
    }

    /// Goes on to the next upstream, where the fault is the present one's.
    ///
    /// # Errors
    /// When it refused, which is an answer, or the fault is no upstream's.
    pub(crate) fn failed(&mut self, upstream: &Upstream, fault: Fault) -> Result<(), Status> {
        let url = &upstream.url;
        match fault {
            Fault::Ours(status) => return Err(status),
            Fault::Upstream(status) if !is_silence(&status) => return Err(status),
            Fault::Upstream(status) => {
                counter!("proxy_upstream_failures_total", "upstream" => url.clone()).increment(1);
                tracing::debug!(upstream = url, %status, "no answer");
                self.said.push(format!("{url} gave no answer: {}", status.message()));
                upstream.with(|it| it.rests_until = Some(Instant::now() + REST));
            }
            Fault::Wrong(reason) => {
                counter!("proxy_wrong_answers_total", "upstream" => url.clone()).increment(1);
                tracing::warn!(upstream = url, reason, "set aside: its answer does not verify");
                self.said.push(format!("answer of {url}: {reason}"));
                upstream.with(|it| it.is_set_aside = true);
            }
            Fault::Unproved(unproved) => {
                self.said.push(format!("answer of {url}: {}", unproved.rejection));
                self.unproved.get_or_insert(unproved);
            }
        }
        Ok(())
    }

    /// What to say when no upstream is left.
    pub(crate) fn over(self) -> Status {
        let said = self.said.join("; ");
        Status::unavailable(format!("no upstream gave an answer that verifies: {said}"))
    }
}

/// How long one that gave no answer comes after the others.
const REST: Duration = Duration::from_secs(5);
/// Room for the protobuf framing around evidence or a snapshot.
const MESSAGE_OVERHEAD_BYTES: usize = 1024;
