//! The methods of `weir.v1.SnapshotAPI`: parse, prove off the async threads, answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prost::bytes::Bytes;
use tokio::sync::watch;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};
use weir_proto::convert::{
    asked_from_wire, block_reference, epoch_from_wire, filter_from_wire, held_from_wire,
    identifier, proof_number, watched_from_wire,
};
use weir_proto::weir::v1;
use weir_proto::weir::v1::snapshot_api_server::SnapshotApi;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{
    EVIDENCE_VERSION, Evidence, IdentityFilter, Question, Receipt, ReceiptRequest, Statement, Topic,
};
use weir_protocol::model::Identifier;

use super::errors::{invalid, reference, unproved};
use super::receipts::with_receipt;
use super::values::{self, Progress};
use super::{ApiOptions, Signer, tree};
use crate::VERSION;
use crate::prover::{Depth, Held, Proved, Prover, ProverError};
use crate::source::access::SyncState;
use crate::watch::Streams;

/// Answers from what has been announced when a request arrives.
#[derive(Clone, Debug)]
pub(super) struct SnapshotService {
    prover: Prover,
    indexing: Arc<AtomicBool>,
    sync: Option<watch::Receiver<SyncState>>,
    signer: Option<Signer>,
    streams: Streams,
    /// Turns true when the server ends.
    ended: watch::Receiver<bool>,
}

/// A request's question, parsed.
struct Asked {
    question: Question,
    held: Held,
    proof: v1::Proof,
    with_value: bool,
}

/// An answer, ready to be sent.
struct Answered {
    proved: Proved,
    with_value: bool,
    /// The evidence, as bytes.
    evidence: Bytes,
    receipt: Option<Receipt>,
}

impl SnapshotService {
    pub(super) fn new(prover: Prover, options: &ApiOptions, ended: watch::Receiver<bool>) -> Self {
        let ApiOptions { indexing, sync, signer, .. } = options.clone();
        Self { prover, indexing, sync, signer, streams: Streams::default(), ended }
    }

    /// Runs `prove` on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        prove: impl FnOnce(Prover) -> Result<T, ProverError> + Send + 'static,
    ) -> Result<T, Status> {
        let prover = self.prover.latest();
        let proved = tokio::task::spawn_blocking(move || prove(prover)).await;
        let proved = proved.map_err(|_| Status::internal("the prover stopped unexpectedly"))?;
        proved.map_err(|error| unproved(&error))
    }

    async fn answer(&self, asked: Asked) -> Result<Answered, Status> {
        let Asked { question, held, proof, with_value } = asked;
        let request_id = self.signs(|| {
            let proof = proof_number(proof);
            ReceiptRequest::Question { question: &question, held: &held, proof }.id()
        });
        let depth = depth(proof);
        let proved = self.blocking(move |prover| prover.answer(&question, &held, depth)).await?;
        let evidence = encoded(&proved.evidence);
        let receipt = self.receipt(request_id, &evidence);
        Ok(Answered { proved, with_value, evidence, receipt })
    }

    /// The ID of a request, if answers are signed.
    fn signs(&self, id: impl FnOnce() -> Identifier) -> Option<Identifier> {
        self.signer.as_ref().map(|_| id())
    }

    /// The receipt of an answer, if answers are signed.
    fn receipt(&self, request_id: Option<Identifier>, evidence: &[u8]) -> Option<Receipt> {
        let (signer, request_id) = self.signer.as_ref().zip(request_id)?;
        let head = self.prover.latest().head().finalized;
        Some(signer.sign(Statement::new(request_id, (head.height, head.id), evidence)))
    }
}

#[tonic::async_trait]
impl SnapshotApi for SnapshotService {
    async fn get_server_info(
        &self,
        _request: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        let head = self.prover.latest().head();
        let sync = self.sync.as_ref().map(|sync| sync.borrow().clone());
        Ok(Response::new(v1::GetServerInfoResponse {
            sync_state: sync.as_ref().map_or_else(String::new, |sync| sync.name().to_owned()),
            sync_detail: sync.as_ref().map_or_else(String::new, ToString::to_string),
            chain_id: head.chain.chain_id.clone(),
            spork_id: values::bytes(&head.chain.spork_id),
            spork_root_block_height: head.chain.spork_root_block_height,
            spork_root_block_view: head.chain.spork_root_block_view,
            first_height: head.first_height,
            latest_finalized: Some(reference(&head.finalized)),
            latest_sealed: Some(reference(&head.sealed)),
            highest_view: head.highest_view,
            blocks_indexed: head.blocks,
            finalization_lag_views: head.highest_view.saturating_sub(head.finalized.view),
            sealing_lag: head.finalized.height.saturating_sub(head.sealed.height),
            indexing: self.indexing.load(Ordering::Relaxed),
            server_version: VERSION.to_owned(),
            receipt_key: self
                .signer
                .as_ref()
                .map(|signer| signer.public_key().to_vec().into())
                .unwrap_or_default(),
            evidence_versions: vec![u32::try_from(EVIDENCE_VERSION).unwrap_or(u32::MAX)],
            epoch_counter: head.epoch_counter,
            conflicting_certificates: head
                .conflicting
                .as_deref()
                .map(|json| String::from_utf8_lossy(json).into_owned())
                .unwrap_or_default(),
        }))
    }

    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        let block_id =
            identifier("block_id", &request.into_inner().block_id).map_err(|e| invalid(&e))?;
        let request_id = self.signs(|| ReceiptRequest::Checkpoint(block_id).id());
        let evidence = self.blocking(move |prover| prover.checkpoint(block_id)).await?;
        let evidence = encoded(&evidence);
        let receipt = self.receipt(request_id, &evidence);
        Ok(with_receipt(v1::GetCheckpointResponse { evidence }, receipt.as_ref()))
    }

    async fn get_epoch_hops(
        &self,
        request: Request<v1::GetEpochHopsRequest>,
    ) -> Result<Response<v1::GetEpochHopsResponse>, Status> {
        let v1::GetEpochHopsRequest { epoch_counter, held, max_hops } = request.into_inner();
        let held = held_from_wire(held).map_err(|error| invalid(&error))?;
        let max = match usize::try_from(max_hops) {
            Ok(0) | Err(_) => HOPS_PER_PAGE_MAX,
            Ok(max) => max.min(HOPS_PER_PAGE_MAX),
        };
        let request_id = self.signs(|| {
            let max_hops = max_hops.into();
            ReceiptRequest::EpochHops { epoch_counter, held: &held, max_hops }.id()
        });
        let page = self.blocking(move |prover| prover.hops(epoch_counter, &held, max)).await?;
        let evidence = encoded(&page);
        let receipt = self.receipt(request_id, &evidence);
        Ok(with_receipt(v1::GetEpochHopsResponse { evidence }, receipt.as_ref()))
    }

    async fn get_snapshot(
        &self,
        request: Request<v1::GetSnapshotRequest>,
    ) -> Result<Response<v1::GetSnapshotResponse>, Status> {
        let asked = asked(request.into_inner().question, Topic::Snapshot)?;
        let Answered { proved, with_value, evidence, receipt } = self.answer(asked).await?;
        let snapshot = if with_value {
            let (progress, proved) =
                self.blocking(move |prover| Ok((progress(&prover, &proved)?, proved))).await?;
            Some(values::snapshot(&proved, &progress))
        } else {
            None
        };
        Ok(with_receipt(v1::GetSnapshotResponse { snapshot, evidence }, receipt.as_ref()))
    }

    async fn get_identity(
        &self,
        request: Request<v1::GetIdentityRequest>,
    ) -> Result<Response<v1::GetIdentityResponse>, Status> {
        let v1::GetIdentityRequest { question, node_id } = request.into_inner();
        let node_id = identifier("node_id", &node_id).map_err(|error| invalid(&error))?;
        let asked = asked(question, Topic::Identity(node_id))?;
        let Answered { proved, with_value, evidence, receipt } = self.answer(asked).await?;
        let block = Some(values::block(&proved.block));
        let identity = if with_value {
            let filter =
                IdentityFilter { node_ids: BTreeSet::from([node_id]), ..Default::default() };
            let node = values::identities(&proved.state, &filter).pop();
            let block_id = proved.block.block_id;
            let absent = || {
                let message = format!("node {node_id} is not in the identity table at {block_id}");
                Status::not_found(message)
            };
            Some(node.ok_or_else(absent)?)
        } else {
            None
        };
        Ok(with_receipt(v1::GetIdentityResponse { block, identity, evidence }, receipt.as_ref()))
    }

    async fn list_identities(
        &self,
        request: Request<v1::ListIdentitiesRequest>,
    ) -> Result<Response<v1::ListIdentitiesResponse>, Status> {
        let v1::ListIdentitiesRequest { question, roles, statuses, node_ids } =
            request.into_inner();
        let filter =
            filter_from_wire(&roles, &statuses, &node_ids).map_err(|error| invalid(&error))?;
        let asked = asked(question, Topic::Identities(filter.clone()))?;
        let Answered { proved, with_value, evidence, receipt } = self.answer(asked).await?;
        let identities =
            if with_value { values::identities(&proved.state, &filter) } else { Vec::new() };
        Ok(with_receipt(
            v1::ListIdentitiesResponse {
                block: Some(values::block(&proved.block)),
                identities,
                evidence,
            },
            receipt.as_ref(),
        ))
    }

    async fn get_epoch(
        &self,
        request: Request<v1::GetEpochRequest>,
    ) -> Result<Response<v1::GetEpochResponse>, Status> {
        let v1::GetEpochRequest { question, epoch } = request.into_inner();
        let name = epoch_from_wire(epoch).map_err(|error| invalid(&error))?;
        let asked = asked(question, Topic::Epoch(name))?;
        let Answered { proved, with_value, evidence, receipt } = self.answer(asked).await?;
        let mut response =
            if with_value { values::epoch(&proved, name) } else { Default::default() };
        response.evidence = evidence;
        Ok(with_receipt(response, receipt.as_ref()))
    }

    async fn get_seal(
        &self,
        request: Request<v1::GetSealRequest>,
    ) -> Result<Response<v1::GetSealResponse>, Status> {
        let asked = asked(request.into_inner().question, Topic::Seal)?;
        let Answered { proved, with_value, evidence, receipt } = self.answer(asked).await?;
        let mut response = v1::GetSealResponse::default();
        if let (true, Some(seal)) = (with_value, seal_of(&proved)) {
            let header = &seal.block.header;
            response.block = Some(values::block(&proved.block));
            response.seal_id = values::bytes(&seal.seal.id());
            response.seal = seal.seal.to_rlp().into();
            let sealing = block_reference(&header.id(), header.height, header.view);
            response.sealing_block = Some(sealing);
        }
        response.evidence = evidence;
        Ok(with_receipt(response, receipt.as_ref()))
    }

    async fn get_execution_result(
        &self,
        request: Request<v1::GetExecutionResultRequest>,
    ) -> Result<Response<v1::GetExecutionResultResponse>, Status> {
        let asked = asked(request.into_inner().question, Topic::ExecutionResult)?;
        let Answered { proved, with_value, evidence, receipt } = self.answer(asked).await?;
        let mut response = v1::GetExecutionResultResponse::default();
        if let (true, Some(seal)) = (with_value, seal_of(&proved)) {
            let result_id = seal.seal.result_id;
            let result = proved.evidence.bundle.preimages.get(&result_id).unwrap_or_default();
            response.block = Some(values::block(&proved.block));
            response.result_id = values::bytes(&result_id);
            response.result = result.to_vec().into();
        }
        response.evidence = evidence;
        Ok(with_receipt(response, receipt.as_ref()))
    }

    async fn get_tree_proof(
        &self,
        request: Request<v1::GetTreeProofRequest>,
    ) -> Result<Response<v1::GetTreeProofResponse>, Status> {
        let (block, question) = tree::asked(request.into_inner())?;
        let proved = self.blocking(move |prover| prover.tree_proof(block, &question)).await?;
        Ok(Response::new(tree::response(proved)))
    }

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<BoxStream<v1::WatchResponse>>, Status> {
        let watched = watched_from_wire(request.get_ref()).map_err(|error| invalid(&error))?;
        let notices = self.streams.open(self.prover.reader(), watched, self.ended.clone())?;
        Ok(Response::new(Box::pin(notices)))
    }
}

fn seal_of(proved: &Proved) -> Option<&weir_protocol::evidence::SealProof> {
    proved.evidence.answer.as_ref()?.seal.as_ref()
}

fn progress(prover: &Prover, proved: &Proved) -> Result<Progress, ProverError> {
    let height = proved.block.record.header.height;
    let finalized = prover.reader().finalized_at(height)? == Some(proved.block.ordinal);
    Ok(Progress {
        finalized,
        certified: finalized || prover.reader().first_child(proved.block.ordinal)?.is_some(),
        sealed: prover.sealing_block(&proved.block)?.is_some(),
    })
}

fn asked(question: Option<v1::Question>, topic: Topic) -> Result<Asked, Status> {
    let asked = asked_from_wire(question, topic).map_err(|error| invalid(&error))?;
    let with_value = asked.form == v1::Form::Unspecified;
    Ok(Asked { question: asked.question, held: asked.held, proof: asked.proof, with_value })
}

fn depth(proof: v1::Proof) -> Depth {
    match proof {
        v1::Proof::Unspecified => Depth::Finality,
        v1::Proof::Sealed => Depth::Seal,
        v1::Proof::KnownBlock => Depth::KnownBlock,
        v1::Proof::Linked => Depth::Linked,
    }
}

fn encoded(evidence: &Evidence) -> Bytes {
    evidence.to_bytes().into()
}

/// Most hops in one page.
const HOPS_PER_PAGE_MAX: usize = 64;
