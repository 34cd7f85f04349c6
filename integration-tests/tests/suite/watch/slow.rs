//! Readers that take their time, on a simulated clock.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use tokio::sync::watch::{self, Receiver, Sender};
use tonic::{Code, Status};
use weir_admission::Workers;
use weir_integration_tests::TestServer;
use weir_proto::weir::v1::WatchResponse;
use weir_proto::weir::v1::watch_response::Notice;
use weir_protocol::request::WatchRequest;
use weir_server::watch::Streams;

const CHAIN: &str = "thirty-epochs";

type Notices = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>>>>;

/// All changes of the chain.
fn open(server: &TestServer, streams: &Streams, ended: &Receiver<bool>) -> Result<Notices, Status> {
    let after_height = Some(server.prover.head().first_height);
    let watched = WatchRequest { after_height, ..WatchRequest::default() };
    Ok(Box::pin(streams.open(server.prover.reader(), watched, ended.clone())?))
}

fn lasting() -> (Sender<bool>, Receiver<bool>) {
    watch::channel(false)
}

#[bounded::test(start_paused = true)]
async fn a_reader_that_is_too_slow_is_told() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let (_lasts, ended) = lasting();
    let mut notices = open(&server, &Streams::new(Workers::by_cores()), &ended).unwrap();
    assert!(notices.next().await.unwrap().is_ok());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let rest: Vec<_> = notices.collect().await;
    let (last, made) = rest.split_last().unwrap();
    assert_eq!(last.as_ref().unwrap_err().code(), Code::ResourceExhausted);
    assert!(made.len() <= 17, "{} notices were kept", made.len());
}

#[bounded::test(start_paused = true)]
async fn a_reader_that_is_just_fast_enough_gets_all_and_then_heartbeats() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let (lasts, ended) = lasting();
    let mut notices = open(&server, &Streams::new(Workers::by_cores()), &ended).unwrap();
    let (mut changes, mut beats) = (0, 0);
    while beats < 3 {
        match notices.next().await.unwrap().unwrap().notice {
            Some(Notice::StateChanged(_)) => changes += 1,
            Some(Notice::Reached(_)) => beats += 1,
            other => panic!("{other:?}"),
        }
        tokio::time::sleep(Duration::from_secs(25)).await;
    }
    assert_eq!(changes, 90);
    lasts.send(true).unwrap();
    let end: Vec<_> = notices.collect().await;
    assert_eq!(end.last().unwrap().as_ref().unwrap_err().code(), Code::Unavailable);
}

#[bounded::test]
async fn so_many_streams_and_no_more_are_open_at_once() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let ((_lasts, ended), streams) = (lasting(), Streams::new(Workers::by_cores()));
    let mut open_ones = Vec::new();
    let refusal = loop {
        match open(&server, &streams, &ended) {
            Ok(notices) => open_ones.push(notices),
            Err(status) => break status,
        }
    };
    assert_eq!((refusal.code(), open_ones.len()), (Code::ResourceExhausted, 1000));
    open_ones.truncate(10);
    // Each that goes makes room, as soon as its task has noticed.
    while let Err(status) = open(&server, &streams, &ended) {
        assert_eq!(status.code(), Code::ResourceExhausted);
        tokio::task::yield_now().await;
    }
}
