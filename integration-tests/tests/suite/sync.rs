//! Walking from a checkpoint to the head: what it costs, what is kept, and that it only goes forward.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use weir_client::sync::LightClient;
use weir_client::transport::Server;
use weir_integration_tests::{TestServer, expected};
use weir_protocol::evidence::{Hop, HopsPage};
use weir_protocol::request::{Depth, Held, Question, Selector, Topic};
use weir_server::prover::ProverError;
use weir_verifier::{
    HopsApplied, Missing, Rejection, Timing, TrustedState, TrustedStateError, Violation,
};

const LONG: &str = "thirty-epochs";
const WIDE: &str = "wide-462-nodes";

/// Some time after the blocks of all reference chains.
fn later() -> Timing {
    Timing::at(1_798_761_600_000)
}

fn checkpoint(server: &TestServer) -> TrustedState {
    let evidence = server.prover.checkpoint(server.root_id).unwrap();
    TrustedState::from_checkpoint(server.root_id, &evidence).unwrap().into_value()
}

fn page(server: &TestServer, trusted: &TrustedState, max: usize) -> HopsPage {
    server.hops(trusted.newest_epoch().counter(), &trusted.held(), max).unwrap()
}

/// The size of one hop as it is sent.
fn size(hop: &Hop) -> usize {
    let alone = HopsPage { hops: vec![hop.clone()], more: false };
    alone.to_bytes().len()
}

#[bounded::test]
async fn a_hop_costs_little_more_than_what_changed() {
    for (chain, at_most) in [(LONG, 4 << 10), (WIDE, 18 << 10)] {
        let server = TestServer::start(chain).await.unwrap();
        let mut trusted = checkpoint(&server);
        let hops = page(&server, &trusted, 64);
        assert!(!hops.hops.is_empty() && !hops.more);
        for hop in &hops.hops {
            let found = size(hop);
            println!("{chain}: hop at height {}: {found} bytes", hop.block.header.height);
            assert!(found <= at_most, "{chain}: {found} bytes");
        }
        let applied = trusted.apply_hops(&hops, &later()).unwrap();
        assert_eq!(applied.applied, hops.hops.len() as u64);
    }
}

#[bounded::test]
async fn walks_thirty_epochs_in_pages_and_forgets_what_it_leaves_behind() {
    let server = TestServer::start(LONG).await.unwrap();
    let connection = Server::connect(&server.url()).await.unwrap();
    let mut client = LightClient::start(connection, server.root_id).await.unwrap();
    let mut told = Vec::new();
    let head = client.sync(|progress, _| told.push(progress.clone())).await.unwrap();
    let trusted = client.trusted();
    let last = told.last().unwrap();
    assert_eq!((last.first_epoch_counter, last.epoch_counter), (7, 37));
    assert_eq!(last.target_epoch_counter, 37);
    assert_eq!(client.hops(), 30);
    assert_eq!(head.answer.block_id, trusted.head().block_id);
    assert_eq!(trusted.head().block_id, server.prover.head().finalized.id);
    assert!(trusted.committee(36).is_some() && trusted.committee(35).is_none());
    assert!(trusted.preimages().len() <= 10, "{} preimages", trusted.preimages().len());
    let bytes = trusted.to_bytes();
    println!("trusted state: {} bytes, received {}", bytes.len(), client.bytes_received());
    assert_eq!(TrustedState::from_bytes(&bytes).unwrap().to_bytes(), bytes);

    // Nothing new: one empty page, and the head by its ID alone.
    let connection = Server::connect(&server.url()).await.unwrap();
    let mut again = LightClient::resume(connection, TrustedState::from_bytes(&bytes).unwrap());
    again.sync(|_, _| ()).await.unwrap();
    assert!(again.bytes_received() <= 1024, "{} bytes", again.bytes_received());
    assert_eq!(again.trusted().to_bytes(), bytes);
}

#[bounded::test]
async fn pages_may_overlap_but_not_run_backwards_or_leave_gaps() {
    let server = TestServer::start(LONG).await.unwrap();
    let mut trusted = checkpoint(&server);
    let first = page(&server, &trusted, 3);
    assert!(first.more);
    let applied = trusted.apply_hops(&first, &later()).unwrap();
    assert_eq!(applied, HopsApplied { skipped: 0, applied: 3, more: true });
    let applied = trusted.apply_hops(&first, &later()).unwrap();
    assert_eq!(applied, HopsApplied { skipped: 3, applied: 0, more: true });

    let second = page(&server, &trusted, 2);
    let mut overlapping = first.clone();
    overlapping.hops.extend(second.hops.clone());
    let mut other = trusted.clone();
    let applied = other.apply_hops(&overlapping, &later()).unwrap();
    assert_eq!(applied, HopsApplied { skipped: 3, applied: 2, more: true });

    let mut backwards = second.clone();
    backwards.hops.push(first.hops[0].clone());
    let rejection = trusted.clone().apply_hops(&backwards, &later()).unwrap_err();
    let Rejection::Invalid(violation) = rejection else { panic!("{rejection}") };
    assert!(matches!(*violation, Violation::HopOrder { .. }), "{violation}");

    let mut gap = page(&server, &other, 1);
    // Whole preimages, so that only the gap is wrong.
    gap.hops = server.hops(other.newest_epoch().counter(), &Held::default(), 1).unwrap().hops;
    let rejection = trusted.clone().apply_hops(&gap, &later()).unwrap_err();
    let Rejection::Invalid(violation) = rejection else { panic!("{rejection}") };
    assert!(matches!(*violation, Violation::EpochOrder { field: "counter", .. }), "{violation}");
    other.apply_hops(&gap, &later()).unwrap();
}

#[bounded::test]
async fn no_damaged_trusted_state_is_read() {
    let server = TestServer::start(LONG).await.unwrap();
    let mut trusted = checkpoint(&server);
    trusted.apply_hops(&page(&server, &trusted, 2), &later()).unwrap();
    let bytes = trusted.to_bytes();
    assert_eq!(TrustedState::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    for position in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[position] ^= 1 << (position % 8);
        assert!(TrustedState::from_bytes(&flipped).is_err(), "byte {position}");
    }
    for cut in [0, 31, 32, 33, bytes.len() - 33, bytes.len() - 1] {
        assert!(TrustedState::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let foreign = TrustedState::from_bytes(&HopsPage::default().to_bytes()).unwrap_err();
    assert_eq!(foreign, TrustedStateError::NotTrustedState);
}

#[bounded::test]
async fn history_of_epochs_long_past_is_proved_again() {
    let server = TestServer::start(LONG).await.unwrap();
    let connection = Server::connect(&server.url()).await.unwrap();
    let mut client = LightClient::start(connection, server.root_id).await.unwrap();
    client.sync(|_, _| ()).await.unwrap();
    let head = *client.trusted().head();
    for height in [1001, 1100, 1200, 1399] {
        let question = Question { block: Selector::Height(height), topic: Topic::Snapshot };
        let known = server.answer(&question, &Held::default(), Depth::Finality).unwrap();
        let answer = client.ask(&question, Depth::Seal).await.unwrap();
        assert_eq!(answer.answer.block_id, known.block.block_id);
        let linked = client.ask(&question, Depth::Linked).await.unwrap();
        assert_eq!(linked.answer.block_id, known.block.block_id);
        assert_eq!(linked.answer.value, {
            let mut value = answer.answer.value.clone();
            if let weir_verifier::AnswerValue::Snapshot(snapshot) = &mut value {
                snapshot.last_sealed_block_id = None;
            }
            value
        });
    }
    assert_eq!(*client.trusted().head(), head, "old blocks move no head");
}

#[bounded::test]
async fn time_bounds_what_is_trusted() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let server = TestServer::start(LONG).await.unwrap();
    let trusted = checkpoint(&server);
    let hops = page(&server, &trusted, 1);
    let apply = |timing: Timing| trusted.clone().apply_hops(&hops, &timing);
    let of_checkpoint = trusted.checkpoint().timestamp_ms;
    let of_hop = hops.hops[0].block.header.timestamp_ms;
    let exact = |now_ms| Timing::at(now_ms).with_clock_skew_ms(0).unwrap();

    apply(exact(of_hop)).unwrap();
    let rejection = apply(exact(of_hop - 1)).unwrap_err();
    assert!(matches!(rejection, Rejection::Missing(Missing::Clock { .. })), "{rejection}");
    apply(exact(of_hop - 1000).with_clock_skew_ms(1000).unwrap()).unwrap();

    let rejection = apply(exact(of_checkpoint - 1)).unwrap_err();
    assert!(matches!(rejection, Rejection::Missing(Missing::Clock { .. })), "{rejection}");

    let bounded = |now_ms| Timing::at(now_ms).with_trusting_period_ms(DAY_MS).unwrap();
    apply(bounded(of_checkpoint + DAY_MS)).unwrap();
    let rejection = apply(bounded(of_checkpoint + DAY_MS + 1)).unwrap_err();
    let expired = Rejection::Missing(Missing::TrustExpired {
        block_id: server.root_id,
        age_ms: DAY_MS + 1,
        trusting_period_ms: DAY_MS,
    });
    assert_eq!(rejection, expired);
    for (period, skew) in [(0, 0), (u64::MAX, 0), (DAY_MS, u64::MAX)] {
        let timing = later().with_trusting_period_ms(period);
        assert!(timing.and_then(|timing| timing.with_clock_skew_ms(skew)).is_err());
    }
}

#[bounded::test]
async fn three_reasons_why_a_head_does_not_serve() {
    use weir_client::sync::AskError;
    use weir_client::transport::TransportError;
    let server = TestServer::start(LONG).await.unwrap();
    let connection = Server::connect(&server.url()).await.unwrap();
    let mut client = LightClient::start(connection, server.root_id).await.unwrap();
    let about = |block| Question { block, topic: Topic::Snapshot };
    let of = |error: AskError| match error {
        AskError::Transport(error) => error,
        error => panic!("{error}"),
    };
    let unknown = about(Selector::Id(weir_protocol::model::Identifier([7; 32])));
    let found = of(client.ask(&unknown, Depth::Linked).await.unwrap_err());
    assert!(matches!(found, TransportError::UnknownBlock { .. }), "{found}");
    let above = about(Selector::Height(1010));
    let found = of(client.ask(&above, Depth::Linked).await.unwrap_err());
    assert!(matches!(found, TransportError::HeadTooOld { height_needed: 1010, .. }), "{found}");
    client.ask(&about(Selector::Height(1012)), Depth::Finality).await.unwrap();
    client.ask(&above, Depth::Linked).await.unwrap();

    let blocks = expected(LONG).unwrap();
    let orphan = blocks.iter().find(|block| block["finalized"] == false).unwrap();
    let orphan_id = orphan["block_id"].as_str().unwrap().parse().unwrap();
    let forked = Held { head_id: Some(orphan_id), ..client.trusted().held() };
    let found = server.answer(&above, &forked, Depth::Linked).unwrap_err();
    assert!(matches!(found, ProverError::HeadNotCanonical { .. }), "{found}");
    let orphan = about(Selector::Id(orphan_id));
    let found = server.answer(&orphan, &client.trusted().held(), Depth::Linked).unwrap_err();
    assert!(
        matches!(found, ProverError::HeadTooOld { .. } | ProverError::Orphaned { .. }),
        "{found}"
    );
}
