//! What a committee of before the head's epoch proves to a client, and for how long.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use weir_client::sync::{AskError, ClockOptions, LightClient};
use weir_client::transport::Server;
use weir_integration_tests::TestServer;
use weir_protocol::request::{AnswerRequest, Depth, Question, Request, Selector, Topic};
use weir_verifier::{
    Act, AnchoredBy, AnswerValue, Misbehaviour, MisbehaviourError, Missing, Rejection,
    TRUSTING_PERIOD_MS_MAX, Timing, TrustedState, WrongAnswer,
};

const LONG: &str = "thirty-epochs";
/// Some time after the blocks of all reference chains.
const NOW_MS: u64 = 1_798_761_600_000;
const PAST: u64 = 1012;

fn about(height: u64) -> Question {
    Question { block: Selector::Height(height), topic: Topic::Snapshot }
}

fn bounded(past_committee_age_ms: Option<u64>) -> ClockOptions {
    let now_ms = Some(NOW_MS);
    ClockOptions { now_ms, past_committee_age_ms, ..ClockOptions::default() }
}

/// A client that has walked to the head, by a clock of this bound.
async fn walked(server: &TestServer, past_committee_age_ms: Option<u64>) -> LightClient {
    let connection = Server::connect(&server.url()).await.unwrap();
    let client = LightClient::start(connection, server.root_id).await.unwrap();
    let mut client = client.with_clock(bounded(past_committee_age_ms));
    client.sync(|_, _| ()).await.unwrap();
    client
}

fn missing(error: AskError) -> Missing {
    match error {
        AskError::Rejected { rejection: Rejection::Missing(missing), .. } => missing,
        other => panic!("{other}"),
    }
}

/// The age that the block of this height has, by the clock of the test.
fn age(server: &TestServer, trusted: &TrustedState, height: u64) -> u64 {
    let evidence = server.answer(&about(height), &trusted.held(), Depth::Finality).unwrap();
    NOW_MS - evidence.evidence.block.header.timestamp_ms
}

#[bounded::test]
async fn an_answer_says_that_a_past_committee_proves_it() {
    let server = TestServer::start(LONG).await.unwrap();
    let mut client = walked(&server, None).await;
    let outcome = client.ask(&about(PAST), Depth::Seal).await.unwrap();
    let AnchoredBy::PastCommittee { epoch_counter, since_ms, age_ms_max } =
        outcome.answer.anchored_by
    else {
        panic!("{:?}", outcome.answer.anchored_by)
    };
    let AnswerValue::Snapshot(snapshot) = &outcome.answer.value else { panic!("no snapshot") };
    assert_eq!(epoch_counter, snapshot.epoch_counter);
    assert_eq!(since_ms, outcome.answer.timestamp_ms);
    assert_eq!(age_ms_max, TRUSTING_PERIOD_MS_MAX);
    // Nor does the head itself need a committee.
    let head = client.trusted().head().height;
    let outcome = client.ask(&about(head), Depth::Finality).await.unwrap();
    assert!(matches!(outcome.answer.anchored_by, AnchoredBy::HashLinks { .. }));
    let root = client.tree_root(Selector::Height(PAST)).await.unwrap();
    assert!(matches!(root.anchored_by, AnchoredBy::PastCommittee { .. }));
}

#[bounded::test]
async fn beyond_its_age_only_hash_links_prove_a_block() {
    let server = TestServer::start(LONG).await.unwrap();
    let client = walked(&server, None).await;
    let exact = age(&server, client.trusted(), PAST);
    let mut client = client.with_clock(bounded(Some(exact)));
    client.ask(&about(PAST), Depth::Finality).await.unwrap();
    let mut client = client.with_clock(bounded(Some(exact - 1)));
    let error = client.ask(&about(PAST), Depth::Finality).await.unwrap_err();
    let Missing::PastCommittee { age_ms, age_ms_max, .. } = missing(error) else { panic!() };
    assert_eq!((age_ms, age_ms_max), (exact, exact - 1));
    assert!(client.lies().is_empty(), "{:?}", client.lies());

    let mut client = client.with_clock(bounded(Some(0)));
    let linked = client.ask(&about(PAST), Depth::Linked).await.unwrap();
    assert!(matches!(linked.answer.anchored_by, AnchoredBy::HashLinks { .. }));
    // What is known to be final needs no committee, whoever certifies it.
    let oldest = client.trusted().oldest_epoch().counter();
    let known = *client.trusted().epoch(oldest + 3).unwrap().boundary().unwrap();
    let outcome = client.ask(&about(known.height), Depth::Finality).await.unwrap();
    let AnchoredBy::HashLinks { block_id, .. } = outcome.answer.anchored_by else { panic!() };
    assert_eq!(block_id, known.block_id);
    let error = client.ask(&about(known.height + 1), Depth::Finality).await.unwrap_err();
    assert!(matches!(missing(error), Missing::PastCommittee { .. }));
    // The client still walks: hops are certified by committees in office.
    let fresh = walked(&server, Some(0)).await;
    assert_eq!(fresh.trusted().head(), client.trusted().head());
}

#[bounded::test]
async fn the_trusting_period_bounds_past_committees_unless_another_age_is_set() {
    let server = TestServer::start(LONG).await.unwrap();
    let client = walked(&server, None).await;
    let trusted = client.trusted().clone();
    let evidence = server.answer(&about(PAST), &trusted.held(), Depth::Finality).unwrap().evidence;
    let exact = age(&server, &trusted, PAST);
    let verify = |timing: Timing| trusted.clone().verify(&about(PAST), &evidence, &timing);
    let trusting = |period_ms| Timing::at(NOW_MS).with_trusting_period_ms(period_ms).unwrap();
    verify(trusting(exact)).unwrap();
    let rejection = verify(trusting(exact - 1)).unwrap_err();
    assert!(matches!(rejection, Rejection::Missing(Missing::PastCommittee { .. })), "{rejection}");
    verify(trusting(exact - 1).with_past_committee_age_ms(exact).unwrap()).unwrap();
    let wide = trusting(exact).with_past_committee_age_ms(exact - 1).unwrap();
    verify(wide).unwrap_err();
    assert!(wide.with_past_committee_age_ms(TRUSTING_PERIOD_MS_MAX).is_ok());
    assert!(wide.with_past_committee_age_ms(TRUSTING_PERIOD_MS_MAX + 1).is_err());
}

#[bounded::test]
async fn nobody_is_convicted_for_the_age_of_a_committee() {
    let server = TestServer::start(LONG).await.unwrap();
    let client = walked(&server, None).await;
    let trusted = client.trusted();
    let held = trusted.held();
    let evidence = server.answer(&about(PAST), &held, Depth::Finality).unwrap().evidence;
    let asked = AnswerRequest { question: about(PAST), held, depth: Depth::Finality };
    let wrong = WrongAnswer::new(Request::Answer(asked), evidence.to_bytes(), trusted);
    let age = age(&server, trusted, PAST);
    for seen_at_ms in [NOW_MS, NOW_MS - age + TRUSTING_PERIOD_MS_MAX + 1, u64::MAX] {
        let act = Act::WrongAnswer(Box::new(wrong.clone()));
        let found = Misbehaviour { server: server.url(), seen_at_ms, act };
        let error = found.verify(server.root_id).unwrap_err();
        assert_eq!(error, MisbehaviourError::Nothing, "seen at {seen_at_ms}");
    }
}
