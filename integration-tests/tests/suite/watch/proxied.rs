//! Watches through proxies: as of a server, and what an upstream leaves out ends at the proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::timeout;
use weir_client::sync::{AskError, LightClient};
use weir_client::transport::Server;
use weir_client::watch::{Level, Start, WatchError, WatchOptions};
use weir_integration_tests::TestServer;
use weir_integration_tests::programs::PATIENCE;
use weir_integration_tests::proxy::TestProxy;
use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Notice, Question, Selector, Topic, WatchRequest};

use super::faults::without;
use super::{CHAIN, changes, finalized, start, watch};
use crate::adversary::proxy::{Call, Hostile};

#[bounded::test]
async fn a_watch_through_two_proxies_is_one_of_the_server() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let near = TestProxy::start([server.url()], server.root_id).await.unwrap();
    let far = TestProxy::start([near.url()], server.root_id).await.unwrap();
    let end = finalized(&server);
    for level in [Level::Certified, Level::Finalized, Level::Sealed] {
        let at = |options: &mut WatchOptions| options.level = level;
        let expected = changes(&mut watch(&[&server.url()], server.root_id, end, at).await).await;
        let mut proxied = watch(&[&far.url()], server.root_id, end, at).await;
        let found = changes(&mut proxied).await;
        assert_eq!(found, expected, "{level:?}");
        // On from the middle.
        let after = |options: &mut WatchOptions| {
            (options.level, options.start) = (level, Start::After(expected[1].cursor));
        };
        let mut resumed = watch(&[&far.url()], server.root_id, end, after).await;
        assert_eq!(changes(&mut resumed).await, expected[2..]);
    }
}

#[bounded::test]
async fn a_proxy_passes_no_gap_on() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let (hostile, lying) = Hostile::start(&server).await;
    let alone = TestProxy::start([lying.clone()], server.root_id).await.unwrap();
    let both = TestProxy::start([lying, server.url()], server.root_id).await.unwrap();
    let end = finalized(&server);
    let expected = changes(&mut watch(&[&server.url()], server.root_id, end, |_| ()).await).await;
    hostile.notify(Arc::new(without(expected[2].block.height)));

    let mut proxied = watch(&[&both.url()], server.root_id, end, |_| ()).await;
    assert_eq!(changes(&mut proxied).await, expected, "the other upstream tells all");
    assert_eq!(proxied.walker().lies(), []);

    let mut proxied = watch(&[&alone.url()], server.root_id, end, |_| ()).await;
    let mut told = Vec::new();
    let error = loop {
        match timeout(PATIENCE, proxied.next()).await.unwrap() {
            Ok(event) => told.push(event),
            Err(error) => break error,
        }
    };
    assert_eq!(told, expected[..told.len()]);
    let WatchError::Ask(AskError::Transport(error)) = error else { panic!("{error}") };
    assert!(error.to_string().contains("left out changes"), "{error}");
    hostile.stop_lying();
    told.extend(changes(&mut proxied).await);
    assert_eq!(told, expected, "the proxy is as good as its upstream again");
}

/// What a proxy learned of an upstream by its answers, its subscriptions know, and the other way round.
#[bounded::test]
async fn a_proxy_watches_with_what_it_knows_of_its_upstreams() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let (hostile, url) = Hostile::start(&server).await;
    let end = finalized(&server);
    let expected = changes(&mut watch(&[&server.url()], server.root_id, end, |_| ()).await).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    hostile.notify(Arc::new(move |notices| {
        counted.fetch_add(1, Ordering::Relaxed);
        notices
    }));
    for is_known_to_lie in [false, true] {
        let proxy = TestProxy::start([url.clone(), server.url()], server.root_id).await.unwrap();
        asked.store(0, Ordering::Relaxed);
        if is_known_to_lie {
            hostile.lie(Call::Answer, Arc::new(|evidence| Ok(evidence.slice(1..))));
        }
        let mut proxied = watch(&[&proxy.url()], server.root_id, end, |_| ()).await;
        let question = Question { block: Selector::Height(1010), topic: Topic::Snapshot };
        let through = Server::connect(&proxy.url()).await.unwrap();
        let mut client = LightClient::start(through, server.root_id).await.unwrap();
        client.ask(&question, Depth::Seal).await.unwrap();
        hostile.lie(Call::Answer, Arc::new(Ok));
        assert_eq!(changes(&mut proxied).await, expected);
        let subscribed = asked.load(Ordering::Relaxed) > 0;
        assert_eq!(subscribed, !is_known_to_lie, "the upstream that lied comes last");
    }
}

#[bounded::test]
async fn while_nothing_is_new_a_proxy_says_so_again_and_again() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let proxy = TestProxy::start([server.url()], server.root_id).await.unwrap();
    let watched =
        WatchRequest { after_height: Some(start(&server).height), ..WatchRequest::default() };
    let mut notices = Server::connect(&proxy.url()).await.unwrap().watch(&watched).await.unwrap();
    let end = server.prover.head().finalized;
    let end = Notice::Reached { block_id: end.id, height: end.height };
    while timeout(PATIENCE, notices.next(PATIENCE)).await.unwrap().unwrap() != end {}
    let newest_change = finalized_change(&server).await;
    tokio::time::pause();
    for _ in 0..5 {
        let Notice::Reached { block_id, height } = notices.next(PATIENCE).await.unwrap() else {
            panic!("nothing changes any more");
        };
        assert_eq!((block_id, height), newest_change);
    }
}

/// The last block with a change.
async fn finalized_change(server: &TestServer) -> (Identifier, u64) {
    let end = finalized(server);
    let all = changes(&mut watch(&[&server.url()], server.root_id, end, |_| ()).await).await;
    let last = all.last().unwrap().block;
    (last.block_id, last.height)
}

#[bounded::test]
async fn a_malformed_subscription_is_refused() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let proxy = TestProxy::start([server.url()], server.root_id).await.unwrap();
    let refused = |options: &mut WatchOptions| {
        options.block_ids = vec![server.root_id; 65];
        options.start = Start::Height(start(&server).height);
    };
    for url in [server.url(), proxy.url()] {
        let mut watch = watch(&[&url], server.root_id, server.root_id, refused).await;
        let error = timeout(PATIENCE, watch.next()).await.unwrap().unwrap_err();
        assert!(error.to_string().contains("block_ids"), "{error}");
    }
}
