//! Serves a network's history and reads it, twice, and says how fast: `backfill BLOCKS [NODES]`.

use std::future::pending;
use std::time::Instant;

use tokio::net::TcpListener;
use tonic::transport::Endpoint;
use weir_devnet::config::{Config, NodeCounts};
use weir_devnet::{Keep, Live, Network, access};
use weir_proto::flow::access::SubscribeBlocksFromStartHeightRequest;
use weir_proto::flow::access::access_api_client::AccessApiClient;
use weir_proto::flow::entities::BlockStatus;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, blocks, nodes @ ..] = &arguments[..] else {
        return Err("usage: backfill BLOCKS [NODES]".into());
    };
    let mut config = Config::default();
    if let Some(nodes) = nodes.first() {
        config.nodes = NodeCounts::of_size(nodes.parse()?);
    }
    let live = Live::new(Network::new(config)?, Keep::Everything);
    live.advance(blocks.parse()?).await;
    let height = live.tip().finalized_height;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(access::serve(listener, live, pending()));
    for pass in ["first", "second"] {
        let channel = Endpoint::from_shared(url.clone())?.connect().await?;
        let mut client = AccessApiClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let start = Instant::now();
        let request = SubscribeBlocksFromStartHeightRequest {
            start_block_height: 1,
            block_status: BlockStatus::BlockFinalized.into(),
            full_block_response: true,
        };
        let mut stream = client.subscribe_blocks_from_start_height(request).await?.into_inner();
        for _ in 0..height {
            stream.message().await?.ok_or("the stream ended early")?;
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{pass} pass: {height} blocks in {seconds:.2} s: {:.0}/s",
            height as f64 / seconds
        );
    }
    Ok(())
}

/// Longest block message taken: one with a recovery of a thousand nodes has several MB.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
