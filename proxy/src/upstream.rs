//! The upstreams: whom to ask next, and how each has behaved.

use std::future::Future;
use std::time::Duration;

use metrics::counter;
use prost::bytes::Bytes;
use tokio::time::timeout;
use tonic::{Response, Status};
use weir_client::transport::SharedServers;
use weir_dial::{Address, Channel, Dialer};
use weir_peers::{Peers, Rests};
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
pub(crate) struct Upstreams {
    upstreams: Vec<Upstream>,
    shared: SharedServers,
}

/// One upstream, connected to when it is asked.
#[derive(Debug)]
pub(crate) struct Upstream {
    url: String,
    snapshots: SnapshotApiClient<Channel>,
    /// As `snapshots`, for evidence: it decodes nothing else of an answer.
    evidence: EvidenceClient<Channel>,
    access: AccessApiClient<Channel>,
    timeout: Duration,
    /// Its place among the upstreams.
    index: usize,
    shared: SharedServers,
}

impl Upstreams {
    pub(crate) fn new(
        addresses: &[Address],
        dialer: Dialer,
        timeout: Duration,
    ) -> Result<Self, StartError> {
        // Receipts are not asked for: an address with a key is none here.
        if let Some(known) = addresses.iter().find(|address| address.key().is_some()) {
            return Err(StartError::Key { url: known.to_string() });
        }
        let peers = Peers::new(addresses.iter().map(Address::url), RESTS);
        let peers = peers.map_err(|_| StartError::NoUpstream)?;
        let dialer = dialer.with_connect_timeout(timeout);
        // Whatever they say is checked, so those that were wrong may be asked last of all.
        let shared = SharedServers::new(peers.asking_set_aside(), dialer.clone());
        let upstream = |(index, address): (usize, &Address)| {
            let channel = dialer.channel(address);
            Upstream::new((address.url(), channel), timeout, (index, shared.clone()))
        };
        let upstreams = addresses.iter().enumerate().map(upstream).collect();
        Ok(Self { upstreams, shared })
    }

    /// How they have behaved, for others that ask them over connections of their own.
    pub(crate) fn shared(&self) -> &SharedServers {
        &self.shared
    }

    /// Longest wait for one answer.
    pub(crate) fn timeout(&self) -> Duration {
        self.upstreams.first().map_or(Duration::ZERO, |upstream| upstream.timeout)
    }

    /// One request's way through the upstreams: the good ones by preference, then those that were
    /// silent lately, and those that were wrong last, for whatever they say is checked.
    pub(crate) fn turn(&self) -> Turn<'_> {
        let (turn, said) = (weir_peers::Turn::default(), Vec::new());
        Turn { upstreams: self, turn, said, refused: None, unproved: None }
    }
}

impl Upstream {
    fn new(
        (url, channel): (String, Channel),
        timeout: Duration,
        (index, shared): (usize, SharedServers),
    ) -> Self {
        let snapshots = SnapshotApiClient::new(channel.clone())
            .max_decoding_message_size(EVIDENCE_BYTES_MAX + MESSAGE_OVERHEAD_BYTES);
        let evidence =
            EvidenceClient::new(channel.clone(), EVIDENCE_BYTES_MAX + MESSAGE_OVERHEAD_BYTES);
        let access = AccessApiClient::new(channel)
            .max_decoding_message_size(SNAPSHOT_LEN_MAX + MESSAGE_OVERHEAD_BYTES);
        Self { url, snapshots, evidence, access, timeout, index, shared }
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
        self.shared.with(|peers, now| match &answer {
            Err(status) if is_silence(status) => peers.silent(self.index, status.message(), now),
            _ => peers.answered(self.index),
        });
        answer.map(Response::into_inner).map_err(Fault::Upstream)
    }

    /// The evidence that answers a request.
    pub(crate) async fn send(&self, request: &Request) -> Result<Bytes, Fault> {
        let mut evidence = self.evidence.clone();
        self.within(evidence.send(request_to_wire(request))).await
    }
}

/// One request's way through the upstreams.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    upstreams: &'a Upstreams,
    turn: weir_peers::Turn,
    /// What came of those that were asked.
    said: Vec<String>,
    /// The first refusal: the word of one upstream, until the others were asked.
    refused: Option<Status>,
    /// The first answer that the chain may not prove.
    pub(crate) unproved: Option<Box<Unproved>>,
}

impl<'a> Turn<'a> {
    /// The upstream to ask next.
    pub(crate) fn next(&mut self) -> Option<&'a Upstream> {
        let Upstreams { upstreams, shared } = self.upstreams;
        let next = shared.with(|peers, now| peers.take(&mut self.turn, now));
        next.and_then(|index| upstreams.get(index))
    }

    /// Goes on to the next upstream, where the fault is the present one's.
    ///
    /// # Errors
    /// When the fault is no upstream's.
    pub(crate) fn failed(&mut self, upstream: &Upstream, fault: Fault) -> Result<(), Status> {
        let url = &upstream.url;
        match fault {
            Fault::Ours(status) => return Err(status),
            Fault::Upstream(status) if !is_silence(&status) => {
                self.said.push(format!("{url} refused: {}", status.message()));
                self.refused.get_or_insert(status);
            }
            Fault::Upstream(status) => {
                counter!("proxy_upstream_failures_total", "upstream" => url.clone()).increment(1);
                tracing::debug!(upstream = url, %status, "no answer");
                self.said.push(format!("{url} gave no answer: {}", status.message()));
            }
            Fault::Wrong(reason) => {
                counter!("proxy_wrong_answers_total", "upstream" => url.clone()).increment(1);
                tracing::warn!(upstream = url, reason, "set aside: its answer does not verify");
                self.said.push(format!("answer of {url}: {reason}"));
                upstream.shared.with(|peers, _| peers.set_aside(upstream.index, reason));
            }
            Fault::Unproved(unproved) => {
                self.said.push(format!("answer of {url}: {}", unproved.rejection));
                self.unproved.get_or_insert(unproved);
            }
        }
        Ok(())
    }

    /// Whether one of those that were asked refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// What to say when no upstream is left.
    pub(crate) fn over(self) -> Status {
        if let Some(refused) = self.refused {
            return refused;
        }
        let said = self.said.join("; ");
        Status::unavailable(format!("no upstream gave an answer that verifies: {said}"))
    }
}

/// How long one that gave no answer comes after the others.
const RESTS: Rests =
    Rests { first: Duration::from_secs(5), longest: Duration::from_secs(60), spread: 0 };
/// Room for the protobuf framing around evidence or a snapshot.
const MESSAGE_OVERHEAD_BYTES: usize = 1024;
