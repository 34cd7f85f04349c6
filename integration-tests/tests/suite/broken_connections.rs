//! Connections that break or stall in the middle of an answer: an error in time, never a wait
//! without end.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use weir_client::sync::{AskError, LightClient};
use weir_client::transport::{REQUEST_TIMEOUT, Server, TransportError};
use weir_integration_tests::TestServer;
use weir_integration_tests::programs::PATIENCE;
use weir_protocol::model::Identifier;

const CHAIN: &str = "happy-epochs";

async fn start(
    url: &str,
    checkpoint_id: Identifier,
    limit: Duration,
) -> Result<LightClient, AskError> {
    let server = timeout(PATIENCE, Server::connect(url)).await.unwrap()?;
    let server = server.with_request_timeout(limit);
    timeout(PATIENCE, LightClient::start(server, checkpoint_id)).await.unwrap()
}

/// What a broken proxy does after it has passed on a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Close,
    Stall,
}

/// Passes on so many bytes of each connection's answers.
async fn broken_proxy(to: &TestServer, bytes: u64, then: Then) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, target) = (format!("http://{}", listener.local_addr().unwrap()), to.address);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(target).await.unwrap();
                let (mut from_client, mut to_client) = client.split();
                let (from_server, mut to_server) = server.split();
                let mut from_server = from_server.take(bytes);
                let up = tokio::io::copy(&mut from_client, &mut to_server);
                let down = async {
                    let passed = tokio::io::copy(&mut from_server, &mut to_client).await;
                    if then == Then::Stall {
                        std::future::pending::<()>().await;
                    }
                    to_client.shutdown().await.and(passed)
                };
                tokio::select! { _ = up => {} _ = down => {} }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_connection_closed_in_the_middle_is_an_error() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let (mut refused, mut bytes) = (0, 0);
    loop {
        let url = broken_proxy(&honest, bytes, Then::Close).await;
        match start(&url, honest.root_id, REQUEST_TIMEOUT).await {
            Ok(_) => break,
            Err(AskError::Transport(error)) => assert!(error.to_string().contains(&url), "{error}"),
            Err(error) => panic!("closed after {bytes} bytes: {error}"),
        }
        (refused, bytes) = (refused + 1, bytes + 97);
    }
    assert!(refused > 10, "closed {refused} times, at most after {bytes} bytes");
}

#[tokio::test]
async fn an_answer_that_stalls_in_the_middle_runs_out_of_time() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let checkpoint = honest.prover.checkpoint(honest.root_id).unwrap().to_bytes().len() as u64;
    // Before anything, and past the headers of the answer but before the end of the evidence.
    for bytes in [0, checkpoint] {
        let url = broken_proxy(&honest, bytes, Then::Stall).await;
        let error = start(&url, honest.root_id, Duration::from_secs(1)).await.unwrap_err();
        let AskError::Transport(TransportError::Unavailable { message, .. }) = &error else {
            panic!("stalled after {bytes} bytes: {error}")
        };
        assert!(message.contains("no whole answer within 1s"), "{message}");
    }
    start(&honest.url(), honest.root_id, REQUEST_TIMEOUT).await.unwrap();
}
