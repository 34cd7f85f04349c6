//! Snapshots of the Access API: read, checked against a block that the proxy proves final, and
//! written again from what was checked.

use std::sync::{Arc, Once};

use tonic::{Code, Request, Response, Status, async_trait};
use weir_proto::convert::id_of_any_length;
use weir_proto::flow::access;
use weir_proto::flow::access::access_api_server::AccessApi;
use weir_proto::flow::entities;
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::snapshot::{Params, Snapshot};
use weir_protocol::model::Identifier;
use weir_verifier::Trust;

use crate::cache::{Answers, key};
use crate::check::blocking;
use crate::fault::Fault;
use crate::options::CheckSnapshot;
use crate::own::Own;
use crate::upstream::Upstream;
use crate::values::bytes;

/// The snapshot methods of `flow.access.AccessAPI`.
#[derive(Clone)]
pub struct SnapshotProxy {
    own: Arc<Own>,
    answers: Arc<Answers>,
    check: CheckSnapshot,
    spork_id: Option<Identifier>,
    /// Whether it was said that nothing proves the spork.
    told: Arc<Once>,
}

/// Which snapshot is asked for.
#[derive(Clone, Copy, Debug)]
enum Wanted {
    Latest,
    Id(Identifier),
    Height(u64),
}

type Answer = Result<Response<access::ProtocolStateSnapshotResponse>, Status>;

impl SnapshotProxy {
    pub(crate) fn new(
        own: Arc<Own>,
        answers: Arc<Answers>,
        check: CheckSnapshot,
        spork_id: Option<Identifier>,
    ) -> Self {
        Self { own, answers, check, spork_id, told: Arc::new(Once::new()) }
    }

    async fn snapshot(&self, wanted: Wanted, key: Vec<u8>) -> Answer {
        if let Some(kept) = self.answers.get::<access::ProtocolStateSnapshotResponse>(&key) {
            return Ok(Response::new(kept));
        }
        let mut turn = self.own.upstreams.turn();
        while let Some(upstream) = turn.next() {
            match self.snapshot_one(upstream, wanted).await {
                Ok(json) => {
                    let head = *self.own.state().head();
                    let metadata = entities::Metadata {
                        latest_finalized_block_id: bytes(&head.block_id),
                        latest_finalized_height: head.height,
                        // A proxy is no node of the network.
                        node_id: bytes(&Identifier::ZERO),
                        ..Default::default()
                    };
                    let answer = access::ProtocolStateSnapshotResponse {
                        serialized_snapshot: json.into(),
                        metadata: Some(metadata),
                    };
                    if !matches!(wanted, Wanted::Latest) {
                        self.answers.insert(key, &answer);
                    }
                    return Ok(Response::new(answer));
                }
                Err(fault) => turn.failed(upstream, fault)?,
            }
        }
        Err(turn.over())
    }

    async fn snapshot_one(&self, upstream: &Upstream, wanted: Wanted) -> Result<Vec<u8>, Fault> {
        let json = fetch(upstream, wanted).await?;
        let check = self.check.clone();
        let checked = blocking(move || {
            let snapshot = Snapshot::from_json(&json).map_err(|error| error.to_string())?;
            check(&snapshot).map(|()| snapshot)
        });
        let wrong = |reason: String| Fault::Wrong(format!("snapshot: {reason}"));
        let snapshot = checked.await.map_err(Fault::Ours)?.map_err(wrong)?;
        let header = &snapshot.head().header;
        let (block_id, height) = (header.id(), header.height);
        let is_wanted = match wanted {
            Wanted::Latest => true,
            Wanted::Id(expected) => block_id == expected,
            Wanted::Height(expected) => height == expected,
        };
        if !is_wanted {
            return Err(wrong(format!("of block {block_id} at height {height} instead")));
        }
        let proven = self.own.prove_named(block_id).await?;
        if proven.answer.trust < Trust::Finalized {
            return Err(wrong(format!("block {block_id} is {} only", proven.answer.trust)));
        }
        self.check_spork(snapshot.params()).await?;
        blocking(move || snapshot.to_json()).await.map_err(Fault::Ours)
    }

    /// The spork's first block is on the chain; where no upstream has it any more, the operator's
    /// word decides, and without that the upstream's.
    async fn check_spork(&self, params: &Params) -> Result<(), Fault> {
        let found = params.spork_id;
        if let Some(expected) = self.spork_id {
            let differs = || Fault::Wrong(format!("snapshot: spork {found}, expected {expected}"));
            return if found == expected { Ok(()) } else { Err(differs()) };
        }
        match self.own.prove(found).await {
            Ok(proven) if proven.answer.trust >= Trust::Finalized => Ok(()),
            Ok(_) => Err(Fault::Wrong(format!("snapshot: spork {found} is not on the chain"))),
            Err(status) if status.code() == Code::Unavailable => Err(Fault::Ours(status)),
            Err(status) => {
                self.told.call_once(|| {
                    tracing::warn!(
                        spork = %found, %status,
                        "the spork is taken on the word of an upstream: name it with --spork"
                    );
                });
                Ok(())
            }
        }
    }
}

async fn fetch(upstream: &Upstream, wanted: Wanted) -> Result<prost::bytes::Bytes, Fault> {
    let mut api = upstream.access();
    let answer = match wanted {
        Wanted::Latest => {
            let request = access::GetLatestProtocolStateSnapshotRequest {};
            upstream.within(api.get_latest_protocol_state_snapshot(request)).await?
        }
        Wanted::Id(block_id) => {
            let block_id = bytes(&block_id);
            let request = access::GetProtocolStateSnapshotByBlockIdRequest { block_id };
            upstream.within(api.get_protocol_state_snapshot_by_block_id(request)).await?
        }
        Wanted::Height(block_height) => {
            let request = access::GetProtocolStateSnapshotByHeightRequest { block_height };
            upstream.within(api.get_protocol_state_snapshot_by_height(request)).await?
        }
    };
    Ok(answer.serialized_snapshot)
}

#[async_trait]
impl AccessApi for SnapshotProxy {
    async fn get_latest_protocol_state_snapshot(
        &self,
        request: Request<access::GetLatestProtocolStateSnapshotRequest>,
    ) -> Answer {
        self.snapshot(Wanted::Latest, key(ACCESS_METHODS[0], request.get_ref())).await
    }

    async fn get_protocol_state_snapshot_by_block_id(
        &self,
        request: Request<access::GetProtocolStateSnapshotByBlockIdRequest>,
    ) -> Answer {
        let block_id = id_of_any_length(&request.get_ref().block_id);
        self.snapshot(Wanted::Id(block_id), key(ACCESS_METHODS[1], request.get_ref())).await
    }

    async fn get_protocol_state_snapshot_by_height(
        &self,
        request: Request<access::GetProtocolStateSnapshotByHeightRequest>,
    ) -> Answer {
        let height = request.get_ref().block_height;
        self.snapshot(Wanted::Height(height), key(ACCESS_METHODS[2], request.get_ref())).await
    }
}

/// The methods of the Access API that a proxy answers.
pub const ACCESS_METHODS: [&str; 3] = [
    "GetLatestProtocolStateSnapshot",
    "GetProtocolStateSnapshotByBlockID",
    "GetProtocolStateSnapshotByHeight",
];
/// What a proxy says of the other methods, after their name.
pub const ACCESS_REFUSAL: &str = "is not answered by a proxy, which passes on only what it can check: snapshots; ask a \
     weir-server serve or an access node";
