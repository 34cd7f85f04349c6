//! The snapshot at a checkpoint, and who says of which spork it is.
//!
//! The checkpoint's ID covers all of the snapshot but the facts of the spork, unless it is the
//! spork's first block. The spork's ID is the hash of that block, height and view included, so the
//! ID is all there is to ask for. Nothing here may call a node wrong because another one differs.

use futures_util::future::join_all;
use thiserror::Error;
use weir_peers::{Standing, Turn};
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::snapshot::{Params, Snapshot};
use weir_protocol::model::Identifier;

use super::upstream::Upstream;
use super::{Fetcher, UpstreamError, WrongAnswer};

/// Why there is no snapshot to begin with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// No node gave one; what each said.
    #[error("{0}")]
    NoSnapshot(String),
    /// The nodes name different sporks; what each said.
    #[error("{0}")]
    Sporks(String),
}

/// The chain and the spork that a node says it is of; older nodes do not say the spork.
type Claim = Result<(String, Option<Identifier>), UpstreamError>;

impl Fetcher {
    /// The snapshot at a checkpoint, from the first upstream whose answer hashes to it.
    ///
    /// Its spork is the one that the operator names; where none is named, all upstreams that say
    /// one must name the same. `check` says whether a chain can begin with a snapshot, or why not.
    ///
    /// # Errors
    /// When no upstream gives one, or they name different sporks; names what each said. Who gave one
    /// that this version cannot use is set aside only when another one gave one that it can.
    pub async fn checkpoint(
        &mut self,
        block_id: Identifier,
        check: impl Fn(&Snapshot) -> Result<(), String>,
    ) -> Result<Vec<u8>, CheckpointError> {
        self.begin();
        let snapshot = self.checked_checkpoint(block_id, check).await;
        self.remembered.pause();
        snapshot
    }

    async fn checked_checkpoint(
        &mut self,
        block_id: Identifier,
        check: impl Fn(&Snapshot) -> Result<(), String>,
    ) -> Result<Vec<u8>, CheckpointError> {
        let claims = match self.options.spork_id {
            Some(_) => Vec::new(),
            None => join_all((0..self.peers.count()).map(|index| self.claim(index))).await,
        };
        let mut refusals = self.set_aside_before();
        let mut unusable: Vec<(usize, String)> = Vec::new();
        let mut turn = Turn::default();
        while let Some(index) = self.peers.take(&mut turn, self.began.elapsed()) {
            match self.snapshot_of(index, block_id, &check, &claims).await {
                Ok((json, params)) => {
                    self.compare(index, &params, &claims)?;
                    // There is a good one, so that those who gave another were wrong.
                    for (index, reason) in unusable {
                        self.distrust(index, &reason, None);
                    }
                    return Ok(json);
                }
                Err(error) => {
                    let url = self.peers.name(index);
                    tracing::warn!(upstream = url, %error, "no snapshot of the checkpoint");
                    refusals.push(format!("{url}: {error}"));
                    match error {
                        UpstreamError::Wrong { answer, .. } => {
                            self.on_wrong(index, &answer, None);
                        }
                        UpstreamError::Unusable(_) => unusable.push((index, error.to_string())),
                        _ => {}
                    }
                }
            }
        }
        Err(CheckpointError::NoSnapshot(refusals.join("; ")))
    }

    /// The snapshot that an upstream gives, which agrees with what was said of its spork.
    async fn snapshot_of(
        &self,
        index: usize,
        block_id: Identifier,
        check: impl Fn(&Snapshot) -> Result<(), String>,
        claims: &[Claim],
    ) -> Result<(Vec<u8>, Params), UpstreamError> {
        self.mark(index);
        let (json, params) = checked_snapshot(&self.upstreams[index], block_id, check).await?;
        match self.options.spork_id {
            Some(expected) => check_pinned(expected, &params)?,
            None => check_own_claim(claims.get(index), &params)?,
        }
        Ok((json, params))
    }

    /// Why those are not asked that were set aside before.
    fn set_aside_before(&self) -> Vec<String> {
        let refusals = self.peers.iter().filter_map(|(url, standing)| {
            let Standing::SetAside { reason } = standing else { return None };
            let file = self.remembered.file_of(url);
            Some(format!(
                "{url}: set aside before, not asked: {reason} (delete {} and start again to ask it)",
                file.display()
            ))
        });
        refusals.collect()
    }

    /// What an upstream says of its network.
    async fn claim(&self, index: usize) -> Claim {
        if self.peers.is_set_aside(index) {
            return Err(UpstreamError::Missing("set aside before, not asked".to_owned()));
        }
        let upstream = &self.upstreams[index];
        Ok((upstream.chain_id().await?, upstream.spork_id().await?))
    }

    /// Whether those that say of which spork they are agree with the snapshot of one of them.
    fn compare(
        &self,
        index: usize,
        params: &Params,
        claims: &[Claim],
    ) -> Result<(), CheckpointError> {
        if self.options.spork_id.is_some() {
            return Ok(());
        }
        let spork_id = params.spork_id;
        let others = self.peers.iter().zip(claims).enumerate().filter(|(at, _)| *at != index);
        let mut confirming = Vec::new();
        for (at, ((url, _), claim)) in others {
            match claim {
                // What it said before is of no weight either.
                _ if self.peers.is_set_aside(at) => {}
                // The checkpoint's hash covers the chain, so that node is left to be found out.
                Ok((chain_id, _)) if *chain_id != params.chain_id => {}
                Ok((_, Some(found))) if *found != spork_id => {
                    return Err(CheckpointError::Sporks(self.say_all(index, spork_id, claims)));
                }
                Ok((_, Some(_))) => confirming.push(url),
                Ok((_, None)) | Err(_) => {}
            }
        }
        tell_basis(self.peers.name(index), spork_id, &confirming);
        Ok(())
    }

    fn say_all(&self, index: usize, spork_id: Identifier, claims: &[Claim]) -> String {
        let names = self.peers.iter().map(|(url, _)| url);
        let said = names.zip(claims).enumerate().map(|(at, (url, claim))| match claim {
            _ if at == index => format!("{url}: spork {spork_id}"),
            Ok((_, Some(found))) => format!("{url}: spork {found}"),
            Ok((_, None)) => format!("{url}: does not say"),
            Err(error) => format!("{url}: {error}"),
        });
        said.collect::<Vec<_>>().join("; ")
    }
}

/// Tells on whose word the spork is taken.
fn tell_basis(url: &str, spork_id: Identifier, confirming: &[&str]) {
    let spork = spork_id.to_string();
    if confirming.is_empty() {
        tracing::warn!(
            spork,
            upstream = url,
            "the spork is taken on the word of one access node: name it with --spork"
        );
    } else {
        tracing::info!(spork, upstream = url, ?confirming, "the access nodes agree on the spork");
    }
}

fn check_pinned(expected: Identifier, params: &Params) -> Result<(), UpstreamError> {
    if params.spork_id == expected {
        return Ok(());
    }
    let (expected, found) = (expected.to_string(), params.spork_id.to_string());
    Err(WrongAnswer::Network { field: "spork", expected, found }.into())
}

/// A node that contradicts itself is wrong, whoever is right.
fn check_own_claim(claim: Option<&Claim>, params: &Params) -> Result<(), UpstreamError> {
    match claim {
        Some(Ok((_, Some(said)))) if *said != params.spork_id => {
            let found = params.spork_id;
            let reason = format!("of spork {found}, while the node says it is of {said}");
            Err(WrongAnswer::Snapshot(reason).into())
        }
        _ => Ok(()),
    }
}

async fn checked_snapshot(
    upstream: &Upstream,
    block_id: Identifier,
    check: impl Fn(&Snapshot) -> Result<(), String>,
) -> Result<(Vec<u8>, Params), UpstreamError> {
    let json = upstream.snapshot(block_id).await?;
    let snapshot = Snapshot::from_json(&json);
    // Not the node's fault beyond doubt, as this version may be wrong about what it cannot use.
    let snapshot = snapshot.map_err(|error| UpstreamError::Unusable(error.to_string()))?;
    let found = snapshot.head().header.id();
    if found != block_id {
        let reason = format!("asked for block {block_id}, found {found}");
        return Err(WrongAnswer::Snapshot(reason).into());
    }
    check(&snapshot).map_err(UpstreamError::Unusable)?;
    Ok((json, snapshot.params().clone()))
}
