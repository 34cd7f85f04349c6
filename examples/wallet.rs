//! A wallet that asks whether a node may be staked to, and believes no server:
//! `cargo run --example wallet -- URL,URL CHECKPOINT NODE_ID`.

use weir_client::sync::LightClient;
use weir_client::transport::Servers;
use weir_protocol::request::{Depth, Question, Selector, Topic};
use weir_verifier::AnswerValue;

type Error = Box<dyn std::error::Error>;

/// What the identity table of the newest finalized block says of a node.
pub(crate) async fn ask(urls: &str, checkpoint: &str, node_id: &str) -> Result<String, Error> {
    let servers = Servers::new(urls.split(','))?;
    let mut client = LightClient::start(servers, checkpoint.parse()?).await?;
    let topic = Topic::Identity(node_id.parse()?);
    let question = Question { block: Selector::LatestFinalized, topic };
    let answer = client.ask(&question, Depth::Finality).await?.answer;
    let AnswerValue::Identity(node) = &answer.value else { return Err("another answer".into()) };
    let Some(node) = node else { return Ok(format!("at height {}: no such node", answer.height)) };
    let (role, status) = (node.skeleton.role, node.status.flow_name());
    Ok(format!("at height {}: a {role} node, {status}", answer.height))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [urls, checkpoint, node_id] = &arguments[..] else {
        return Err("usage: wallet URL,URL CHECKPOINT NODE_ID".into());
    };
    println!("{}", ask(urls, checkpoint, node_id).await?);
    Ok(())
}
