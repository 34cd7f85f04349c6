//! Connections that break or stall in the middle of an answer: an error in time, never a wait
//! without end.

use std::time::Duration;

use weir_client::sync::AskError;
use weir_client::transport::{REQUEST_TIMEOUT, TransportError};
use weir_integration_tests::TestServer;
use weir_integration_tests::connections::{Then, broken_proxy, start_within};

const CHAIN: &str = "happy-epochs";

#[bounded::test]
async fn a_connection_closed_in_the_middle_is_an_error() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let (mut refused, mut bytes) = (0, 0);
    loop {
        let url = broken_proxy(honest.address, bytes, Then::Close).await;
        match start_within(REQUEST_TIMEOUT, &url, honest.root_id).await {
            Ok(_) => break,
            Err(AskError::Transport(error)) => assert!(error.to_string().contains(&url), "{error}"),
            Err(error) => panic!("closed after {bytes} bytes: {error}"),
        }
        (refused, bytes) = (refused + 1, bytes + 97);
    }
    assert!(refused > 10, "closed {refused} times, at most after {bytes} bytes");
}

#[bounded::test]
async fn an_answer_that_stalls_in_the_middle_runs_out_of_time() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let checkpoint = honest.prover.checkpoint(honest.root_id).unwrap().to_bytes().len() as u64;
    // Before anything, and past the headers of the answer but before the end of the evidence.
    for bytes in [0, checkpoint] {
        let url = broken_proxy(honest.address, bytes, Then::Stall).await;
        let error = start_within(Duration::from_secs(1), &url, honest.root_id).await.unwrap_err();
        let AskError::Transport(TransportError::Unavailable { message, .. }) = &error else {
            panic!("stalled after {bytes} bytes: {error}")
        };
        assert!(message.contains("no whole answer within 1s"), "{message}");
    }
    start_within(REQUEST_TIMEOUT, &honest.url(), honest.root_id).await.unwrap();
}
