//! The methods of `weir.v1.SnapshotAPI`: parse, ask, check, pass on.

use std::future::Future;
use std::sync::Arc;

use prost::Message;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, async_trait};
use weir_proto::convert::{
    Asked, ConvertError, checkpoint_from_wire, hops_from_wire, tree_from_wire,
};
use weir_proto::weir::v1;
use weir_proto::weir::v1::snapshot_api_server::SnapshotApi;
use weir_protocol::request::{AnswerRequest, Depth, Selector, Topic};
use weir_verifier::{Answer, Trust};

use crate::cache::{Answers, Keep, key};
use crate::fault::needs_newer;
use crate::hops::HopsRelay;
use crate::options::{ProxyOptions, StartError};
use crate::own::Own;
use crate::relay::{Relay, Relayed};
use crate::snapshots::SnapshotProxy;
use crate::tree::Trees;
use crate::upstream::Upstreams;
use crate::watch::Subscriptions;
use crate::{info, upgrade, values};

/// A proxy; cheap to clone.
#[derive(Clone, Debug)]
pub struct Proxy {
    own: Arc<Own>,
    relay: Arc<Relay>,
    answers: Arc<Answers>,
    subscriptions: Subscriptions,
}

impl Proxy {
    /// Proves the operator's checkpoint, and stands in for its upstreams from then on: for
    /// `weir.v1.SnapshotAPI`, and for the snapshots of the Access API.
    ///
    /// # Errors
    /// When no upstream is named, or none proves the checkpoint.
    pub async fn start(options: ProxyOptions) -> Result<(Self, SnapshotProxy), StartError> {
        let (dialer, timeout) = (options.dialer.clone(), options.upstream_timeout);
        let upstreams = Upstreams::new(&options.upstreams, dialer, timeout)?;
        let begun = Own::start(&options, upstreams).await;
        let own =
            Arc::new(begun.map_err(|status| StartError::Checkpoint {
                message: status.message().to_owned(),
            })?);
        let answers = Arc::new(Answers::new(options.cache_bytes));
        let ProxyOptions { check_snapshot, spork_id, .. } = options;
        let access = SnapshotProxy::new(own.clone(), answers.clone(), check_snapshot, spork_id);
        let relay = Arc::new(Relay::new(own.clone()));
        let subscriptions = Subscriptions::default();
        Ok((Self { own, relay, answers, subscriptions }, access))
    }

    /// The answer to the same request before, or else a new one.
    async fn cached<T: Message + Default>(
        &self,
        key: Vec<u8>,
        answer: impl Future<Output = Result<(T, Keep), Status>> + Send,
    ) -> Result<Response<T>, Status> {
        if let Some(kept) = self.answers.get(&key) {
            return Ok(Response::new(kept));
        }
        let (answer, keep) = answer.await?;
        if keep == Keep::Yes {
            self.answers.insert(key, &answer);
        }
        Ok(Response::new(answer))
    }

    async fn snapshot(&self, asked: &Asked) -> Result<(v1::GetSnapshotResponse, Keep), Status> {
        let relayed = self.relay.answer(&asked.request).await?;
        let mut keep = keep(&asked.request, &relayed.answer);
        let snapshot = if asked.with_value {
            let proven = self.own.prove(relayed.answer.block_id).await?;
            upgrade::check_known(&proven.answer)?;
            if proven.answer.trust < Trust::Sealed {
                keep = Keep::No;
            }
            values::snapshot(&proven.answer)
        } else {
            None
        };
        Ok((v1::GetSnapshotResponse { snapshot, evidence: relayed.bytes }, keep))
    }

    /// A relayed answer, with what `fill` makes of it where typed values are wanted.
    async fn filled<T: Default>(
        &self,
        asked: &Asked,
        fill: impl FnOnce(&Relayed) -> Result<T, Status> + Send,
    ) -> Result<(T, Relayed, Keep), Status> {
        let relayed = self.relay.answer(&asked.request).await?;
        let keep = keep(&asked.request, &relayed.answer);
        let value = if asked.with_value {
            upgrade::check_known(&relayed.answer)?;
            fill(&relayed)?
        } else {
            T::default()
        };
        Ok((value, relayed, keep))
    }
}

#[async_trait]
impl SnapshotApi for Proxy {
    async fn get_server_info(
        &self,
        _request: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        info::info(&self.own).await.map(Response::new)
    }

    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        let request = request.into_inner();
        let block_id = checkpoint_from_wire(&request).map_err(|error| invalid(&error))?;
        self.cached(key("GetCheckpoint", &request), async {
            let (evidence, _) = self.own.checkpoint(block_id).await?.map_err(needs_newer)?;
            Ok((v1::GetCheckpointResponse { evidence }, Keep::Yes))
        })
        .await
    }

    async fn get_epoch_hops(
        &self,
        request: Request<v1::GetEpochHopsRequest>,
    ) -> Result<Response<v1::GetEpochHopsResponse>, Status> {
        let request = request.into_inner();
        let asked = hops_from_wire(request.clone()).map_err(|error| invalid(&error))?;
        self.cached(key("GetEpochHops", &request), async {
            let hops = HopsRelay { own: &self.own, shadows: &self.relay.shadows };
            let (evidence, keep) = hops.page(&asked).await?;
            Ok((v1::GetEpochHopsResponse { evidence }, keep))
        })
        .await
    }

    async fn get_snapshot(
        &self,
        request: Request<v1::GetSnapshotRequest>,
    ) -> Result<Response<v1::GetSnapshotResponse>, Status> {
        let request = request.into_inner();
        let asked = asked(request.clone().try_into())?;
        self.cached(key("GetSnapshot", &request), self.snapshot(&asked)).await
    }

    async fn get_identity(
        &self,
        request: Request<v1::GetIdentityRequest>,
    ) -> Result<Response<v1::GetIdentityResponse>, Status> {
        let request = request.into_inner();
        let asked = asked(request.clone().try_into())?;
        self.cached(key("GetIdentity", &request), async {
            let node = |relayed: &Relayed| match &asked.request.question.topic {
                Topic::Identity(node_id) => values::node(&relayed.answer, *node_id).map(Some),
                _ => Ok(None),
            };
            let (identity, relayed, keep) = self.filled(&asked, node).await?;
            let block = Some(values::block(&relayed.answer));
            Ok((v1::GetIdentityResponse { block, identity, evidence: relayed.bytes }, keep))
        })
        .await
    }

    async fn list_identities(
        &self,
        request: Request<v1::ListIdentitiesRequest>,
    ) -> Result<Response<v1::ListIdentitiesResponse>, Status> {
        let request = request.into_inner();
        let asked = asked(request.clone().try_into())?;
        self.cached(key("ListIdentities", &request), async {
            let nodes = |relayed: &Relayed| Ok(values::nodes(&relayed.answer));
            let (identities, relayed, keep) = self.filled(&asked, nodes).await?;
            let block = Some(values::block(&relayed.answer));
            let evidence = relayed.bytes;
            Ok((v1::ListIdentitiesResponse { block, identities, evidence }, keep))
        })
        .await
    }

    async fn get_epoch(
        &self,
        request: Request<v1::GetEpochRequest>,
    ) -> Result<Response<v1::GetEpochResponse>, Status> {
        let request = request.into_inner();
        let asked = asked(request.clone().try_into())?;
        self.cached(key("GetEpoch", &request), async {
            let epoch = |relayed: &Relayed| Ok(values::epoch(&relayed.answer));
            let (epoch, relayed, keep) = self.filled(&asked, epoch).await?;
            Ok((v1::GetEpochResponse { evidence: relayed.bytes, ..epoch }, keep))
        })
        .await
    }

    async fn get_seal(
        &self,
        request: Request<v1::GetSealRequest>,
    ) -> Result<Response<v1::GetSealResponse>, Status> {
        let request = request.into_inner();
        let asked = asked(request.clone().try_into())?;
        self.cached(key("GetSeal", &request), async {
            let seal = |relayed: &Relayed| Ok(values::seal(&relayed.answer, &relayed.evidence));
            let (seal, relayed, keep) = self.filled(&asked, seal).await?;
            Ok((v1::GetSealResponse { evidence: relayed.bytes, ..seal }, keep))
        })
        .await
    }

    async fn get_execution_result(
        &self,
        request: Request<v1::GetExecutionResultRequest>,
    ) -> Result<Response<v1::GetExecutionResultResponse>, Status> {
        let request = request.into_inner();
        let asked = asked(request.clone().try_into())?;
        self.cached(key("GetExecutionResult", &request), async {
            let result = |relayed: &Relayed| Ok(values::result(&relayed.answer));
            let (result, relayed, keep) = self.filled(&asked, result).await?;
            Ok((v1::GetExecutionResultResponse { evidence: relayed.bytes, ..result }, keep))
        })
        .await
    }

    async fn get_tree_proof(
        &self,
        request: Request<v1::GetTreeProofRequest>,
    ) -> Result<Response<v1::GetTreeProofResponse>, Status> {
        let request = request.into_inner();
        let asked = tree_from_wire(request.clone()).map_err(|error| invalid(&error))?;
        let trees = Trees { own: &self.own };
        self.cached(key("GetTreeProof", &request), trees.proof(&asked, &request)).await
    }

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<BoxStream<v1::WatchResponse>>, Status> {
        self.subscriptions.open(&self.own, request.get_ref()).map(Response::new)
    }
}

fn asked(parsed: Result<Asked, ConvertError>) -> Result<Asked, Status> {
    parsed.map_err(|error| invalid(&error))
}

fn invalid(error: &ConvertError) -> Status {
    Status::invalid_argument(error.to_string())
}

/// An answer stays what it is when it names its block, and nothing more of what was asked for can
/// come to be proved of it.
fn keep(asked: &AnswerRequest, answer: &Answer) -> Keep {
    let is_named = match asked.question.block {
        Selector::Id(_) | Selector::Height(_) => true,
        Selector::LatestFinalized | Selector::LatestSealed => false,
    };
    let needed = match asked.depth {
        Depth::KnownBlock => Trust::Known,
        Depth::Finality => Trust::Finalized,
        Depth::Seal | Depth::Linked => Trust::Sealed,
    };
    Keep::when(is_named && answer.trust >= needed)
}
