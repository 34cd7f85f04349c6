//! Lies about lengths and time: answers that drip, that are said to be longer than they are, that
//! have nothing in them, and a server that changes its mind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prost::bytes::Bytes;
use weir_client::sync::AskError;
use weir_client::transport::{REQUEST_TIMEOUT, TransportError};
use weir_integration_tests::TestServer;
use weir_integration_tests::connections::{Then, broken_proxy, start_within};
use weir_protocol::evidence::{EvidenceError, HopsPage};
use weir_protocol::request::Selector;
use weir_verifier::{Missing, Violation};

use super::proxy::Call;
use super::{CHAIN, Case, HEIGHT, missing, snapshot, violation};

/// A byte now and then keeps a connection alive, but no answer open.
#[bounded::test]
async fn an_answer_that_drips_runs_out_of_time() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    // After the connection is made, and in the middle of the evidence.
    for bytes in [400, 4000] {
        let drip = Then::Drip(Duration::from_millis(20));
        let url = broken_proxy(honest.address, bytes, drip).await;
        let error = start_within(Duration::from_secs(1), &url, honest.root_id).await.unwrap_err();
        let AskError::Transport(TransportError::Unavailable { message, .. }) = &error else {
            panic!("dripping after {bytes} bytes: {error}")
        };
        assert!(message.contains("no whole answer within 1s"), "{message}");
    }
    start_within(REQUEST_TIMEOUT, &honest.url(), honest.root_id).await.unwrap();
}

#[bounded::test]
async fn lengths_far_above_the_body_are_not_believed() {
    let mut case = Case::new().await;
    let question = snapshot(Selector::Height(HEIGHT));
    for header in [&[0xfb, 0xff, 0xff, 0xff, 0xff][..], &[0xf9, 0xff, 0xff], &[0xff; 9]] {
        let lie = move |evidence: Bytes| Ok([header, &evidence[3..]].concat().into());
        let found = violation(case.rejection(Call::Answer, &question, lie).await);
        assert!(matches!(found, Violation::Evidence(_)), "{found}");
    }
    case.ask(&question).await.unwrap();
}

#[bounded::test]
async fn answers_with_nothing_in_them_are_not_enough() {
    let mut case = Case::new().await;
    let early = snapshot(Selector::Height(HEIGHT));
    let late = snapshot(Selector::Height(super::LATE_HEIGHT));
    let nothing = |_| Ok(HopsPage::default().to_bytes().into());
    let found = violation(case.rejection(Call::Answer, &early, nothing).await);
    assert!(matches!(found, Violation::Evidence(EvidenceError::Another { .. })), "{found}");
    let found = missing(case.rejection(Call::Hop, &late, nothing).await);
    assert_eq!(found, Missing::LaterEpoch { newest_known: 7 });
    // The promise of more to come is one that nothing proves.
    let promise = |_| Ok(HopsPage { more: true, ..HopsPage::default() }.to_bytes().into());
    let found = violation(case.rejection(Call::Hop, &late, promise).await);
    assert!(matches!(found, Violation::Evidence(EvidenceError::Malformed(_))), "{found}");
    case.ask(&late).await.unwrap();
}

/// Every other answer is another block's: what was verified before changes nothing.
#[bounded::test]
async fn a_server_that_changes_its_mind_is_caught_each_time() {
    let mut case = Case::new().await;
    let question = snapshot(Selector::Height(HEIGHT));
    let honest = case.ask(&question).await.unwrap().answer;
    let other = case.passed_off(Selector::Height(HEIGHT + 1), &question).to_bytes();
    let (asked, other) = (Arc::new(AtomicUsize::new(0)), Bytes::from(other));
    let lie = move |evidence: Bytes| {
        let is_honest = asked.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        Ok(if is_honest { evidence } else { other.clone() })
    };
    case.hostile.lie(Call::Answer, Arc::new(lie));
    for _ in 0..3 {
        let Err(AskError::Rejected { rejection, .. }) = case.ask(&question).await else {
            panic!("believed another block")
        };
        let expected = Violation::AnotherHeight { expected: HEIGHT, found: HEIGHT + 1 };
        assert_eq!(violation(rejection), expected);
        assert_eq!(case.ask(&question).await.unwrap().answer.value, honest.value);
    }
}
