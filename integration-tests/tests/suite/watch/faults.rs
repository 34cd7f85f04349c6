//! Servers that leave out, invent, repeat, flood, hang and break off.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tonic::codegen::BoxStream;
use weir_client::sync::{AskError, Fault};
use weir_client::transport::Standing;
use weir_client::watch::{Event, WatchError, WatchOptions};
use weir_integration_tests::TestServer;
use weir_integration_tests::connections::{Then, broken_proxy};
use weir_integration_tests::programs::PATIENCE;
use weir_proto::weir::v1::watch_response::Notice;
use weir_proto::weir::v1::{BlockNews, BlockReference, BlockStatus, WatchResponse};
use weir_protocol::model::Identifier;

use super::{CHAIN, changes, final_block, finalized, try_changes, watch};
use crate::adversary::proxy::Hostile;

type Stream = BoxStream<WatchResponse>;

/// A lying server, an honest one, and what an undisturbed watch tells.
struct Case {
    honest: TestServer,
    hostile: Hostile,
    url: String,
    end: Identifier,
    undisturbed: Vec<Event>,
}

impl Case {
    async fn new() -> Self {
        let honest = TestServer::start(CHAIN).await.unwrap();
        let (hostile, url) = Hostile::start(&honest).await;
        let end = finalized(&honest);
        let mut alone = watch(&[&honest.url()], honest.root_id, end, |_| ()).await;
        let undisturbed = changes(&mut alone).await;
        assert!(undisturbed.len() > 3);
        Self { honest, hostile, url, end, undisturbed }
    }

    /// A watch over both servers tells what an undisturbed one does; what became of the first.
    async fn is_undisturbed(
        &self,
        twist: impl Fn(Stream) -> Stream + Send + Sync + 'static,
    ) -> Standing {
        self.hostile.notify(Arc::new(twist));
        let urls = [self.url.as_str(), &self.honest.url()];
        let mut both = watch(&urls, self.honest.root_id, self.end, patience).await;
        let told = changes(&mut both).await;
        assert_eq!(told, self.undisturbed);
        self.hostile.stop_lying();
        let (_, health) = both.walker().servers().next().unwrap();
        health
    }

    /// Alone the server is found out; when it is honest again, the same watch goes on and is whole.
    async fn is_found_out(
        &self,
        twist: impl Fn(Stream) -> Stream + Send + Sync + 'static,
    ) -> Fault {
        self.hostile.notify(Arc::new(twist));
        let mut alone = watch(&[&self.url], self.honest.root_id, self.end, patience).await;
        let mut told = Vec::new();
        let fault = loop {
            match tokio::time::timeout(PATIENCE, alone.next()).await.unwrap() {
                Ok(event) => told.push(event),
                Err(WatchError::Ask(AskError::Misled { fault, .. })) => break fault,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(told, self.undisturbed[..told.len()], "nothing false was told");
        self.hostile.stop_lying();
        told.extend(changes(&mut alone).await);
        assert_eq!(told, self.undisturbed);
        fault
    }
}

fn patience(options: &mut WatchOptions) {
    (options.patience, options.stall) = (Duration::from_secs(2), PATIENCE);
}

fn response(notice: Notice) -> WatchResponse {
    WatchResponse { notice: Some(notice) }
}

fn height_of(response: &WatchResponse) -> Option<u64> {
    match response.notice.as_ref()? {
        Notice::StateChanged(block) => Some(block.height),
        _ => None,
    }
}

fn mapped(
    map: impl Fn(WatchResponse) -> Vec<WatchResponse> + Send + Sync + Clone + 'static,
) -> impl Fn(Stream) -> Stream + Send + Sync + 'static {
    move |honest| {
        let map = map.clone();
        Box::pin(honest.flat_map(move |item| {
            stream::iter(match item {
                Ok(response) => map(response).into_iter().map(Ok).collect(),
                Err(status) => vec![Err(status)],
            })
        }))
    }
}

/// Leaves out what the server says of the block at a height.
pub(super) fn without(height: u64) -> impl Fn(Stream) -> Stream + Send + Sync + 'static {
    mapped(
        move |response| {
            if height_of(&response) == Some(height) { Vec::new() } else { vec![response] }
        },
    )
}

#[bounded::test]
async fn a_change_left_out_shows_wherever_it_is() {
    let case = Case::new().await;
    let mut heights: Vec<_> = case.undisturbed.iter().map(|event| event.block.height).collect();
    heights.dedup();
    for height in heights {
        let health = case.is_undisturbed(without(height)).await;
        assert!(matches!(health, Standing::SetAside { .. }), "{height}: {health:?}");
        let fault = case.is_found_out(without(height)).await;
        let Fault::LeftOut { after, up_to } = fault else { panic!("{fault}") };
        assert!(after < height && height <= up_to, "{after} {height} {up_to}");
    }
}

#[bounded::test]
async fn a_change_that_is_none_is_not_told() {
    let case = Case::new().await;
    let changed: Vec<_> = case.undisturbed.iter().map(|event| event.block.height).collect();
    let head = case.honest.prover.latest().head();
    let quiet = (head.first_height + 1..).find(|height| !changed.contains(height)).unwrap();
    let block_id = final_block(&case.honest.prover.latest(), quiet);
    let invented = move || {
        let block = BlockReference { block_id: block_id.0.to_vec().into(), height: quiet, view: 0 };
        response(Notice::StateChanged(block))
    };
    // Whatever it is told of, the client tells what the states say.
    let health = case.is_undisturbed(mapped(move |honest| vec![invented(), honest])).await;
    assert_eq!(health, Standing::Good);
    let repeated = mapped(|honest| vec![honest.clone(), honest.clone(), honest]);
    assert_eq!(case.is_undisturbed(repeated).await, Standing::Good);
}

#[bounded::test]
async fn an_older_block_that_is_reached_is_no_fault() {
    let case = Case::new().await;
    let first = case.undisturbed[0].block.height;
    let before = final_block(&case.honest.prover.latest(), first - 1);
    // As from a server that is behind the one asked before.
    let late = mapped(move |honest| {
        let block_id = before.0.to_vec().into();
        let old = BlockReference { block_id, height: first - 1, view: 0 };
        vec![honest, response(Notice::Reached(old))]
    });
    assert_eq!(case.is_undisturbed(late).await, Standing::Good);
}

#[bounded::test]
async fn blocks_that_are_not_proved_are_held_against_the_server() {
    let case = Case::new().await;
    let unknown = || BlockReference { block_id: vec![7; 32].into(), height: u64::MAX, view: 0 };
    let notices = [
        Notice::StateChanged(unknown()),
        Notice::Reached(unknown()),
        // A final block, at another height than its own.
        Notice::Reached(BlockReference {
            block_id: case.end.0.to_vec().into(),
            height: u64::MAX,
            view: 0,
        }),
    ];
    for notice in notices {
        let first = notice.clone();
        let health =
            case.is_undisturbed(mapped(move |honest| vec![response(first.clone()), honest])).await;
        assert!(matches!(health, Standing::SetAside { .. }), "{notice:?}: {health:?}");
        let first = notice.clone();
        let found =
            case.is_found_out(mapped(move |honest| vec![response(first.clone()), honest])).await;
        assert!(matches!(found, Fault::Unproved { .. }), "{notice:?}: {found}");
    }
}

#[bounded::test]
async fn a_flood_of_notices_ends() {
    let case = Case::new().await;
    let old =
        BlockReference { block_id: case.honest.root_id.0.to_vec().into(), height: 0, view: 0 };
    let news = BlockNews { block_id: vec![3; 32].into(), status: BlockStatus::Sealed.into() };
    let malformed = BlockReference { block_id: vec![1, 2].into(), height: 9, view: 9 };
    let useless = [
        Some(Notice::Reached(old)),
        Some(Notice::BlockNews(news)),
        Some(Notice::StateChanged(malformed)),
        None,
    ];
    for notice in useless {
        let flood = move |_: Stream| -> Stream {
            let notice = notice.clone();
            Box::pin(stream::repeat_with(move || Ok(WatchResponse { notice: notice.clone() })))
        };
        let found = case.is_found_out(flood.clone()).await;
        assert!(matches!(found, Fault::Useless { .. }), "{found}");
        let health = case.is_undisturbed(flood).await;
        assert!(!matches!(health, Standing::Resting { .. }), "{health:?}");
    }
}

#[bounded::test]
async fn a_false_orphan_is_not_told() {
    let case = Case::new().await;
    let end = case.end;
    let orphaned = mapped(move |honest| {
        let status = BlockStatus::Orphaned.into();
        let news = BlockNews { block_id: end.0.to_vec().into(), status };
        vec![response(Notice::BlockNews(news)), honest]
    });
    // `changes` ends at the first status but certified; all changes come before it.
    assert_eq!(case.is_undisturbed(orphaned).await, Standing::Good);
}

#[bounded::test]
async fn a_server_that_hangs_ends_or_breaks_off_is_left() {
    let case = Case::new().await;
    for count in 0..case.undisturbed.len() + 2 {
        let ends = move |honest: Stream| -> Stream { Box::pin(honest.take(count)) };
        let health = case.is_undisturbed(ends).await;
        assert!(!matches!(health, Standing::SetAside { .. }), "{health:?}");
    }
    let hangs = |honest: Stream| -> Stream { Box::pin(honest.take(2).chain(stream::pending())) };
    assert!(matches!(case.is_undisturbed(hangs).await, Standing::Resting { .. }));
    for bytes in [100, 1000, 5_000, 20_000, 60_000] {
        let broken = broken_proxy(case.honest.address, bytes, Then::Close).await;
        let urls = [broken.as_str(), &case.honest.url()];
        let mut both = watch(&urls, case.honest.root_id, case.end, patience).await;
        assert_eq!(changes(&mut both).await, case.undisturbed, "{bytes}");
    }
}

#[bounded::test]
async fn a_server_that_stands_still_is_left_and_no_worse_thought_of() {
    let case = Case::new().await;
    let first = case.undisturbed[0].block.height;
    // It never gets beyond the first change, and says so again and again.
    case.hostile.notify(Arc::new(move |honest: Stream| -> Stream {
        let old = BlockReference { block_id: vec![0; 32].into(), height: 0, view: 0 };
        let beats = stream::repeat_with(move || Ok(response(Notice::Reached(old.clone()))));
        let up_to_first = honest.take_while(move |item| {
            let height = item.as_ref().ok().and_then(height_of);
            std::future::ready(height.is_some_and(|height| height <= first))
        });
        Box::pin(up_to_first.chain(beats))
    }));
    let urls = [case.url.as_str(), &case.honest.url()];
    let at_once = |options: &mut WatchOptions| options.stall = Duration::ZERO;
    let mut both = watch(&urls, case.honest.root_id, case.end, at_once).await;
    assert_eq!(changes(&mut both).await, case.undisturbed);
    assert_eq!(both.walker().lies(), []);
}

#[bounded::test]
async fn evidence_that_lies_is_kept_as_of_any_question() {
    let case = Case::new().await;
    case.hostile.lie(
        crate::adversary::proxy::Call::Answer,
        Arc::new(|bytes| {
            let mut twisted = bytes.to_vec();
            let last = twisted.len() - 1;
            twisted[last] ^= 1;
            Ok(twisted.into())
        }),
    );
    let urls = [case.url.as_str(), &case.honest.url()];
    let mut both = watch(&urls, case.honest.root_id, case.end, patience).await;
    assert_eq!(try_changes(&mut both).await.unwrap(), case.undisturbed);
    assert_eq!(both.walker().lies().len(), 1);
}
