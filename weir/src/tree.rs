//! `weir tree`: the snapshot tree's root at a block, and answers checked against a root.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use weir_protocol::model::{Identifier, Role};
use weir_protocol::request::{Selector, TreeRequest};
use weir_protocol::snapshot_tree::{Field, NodeIdentity, TreeAnswer, TreeItem, TreeQuestion};
use weir_verifier::{IdentityAnswer, TreeRoot};

use super::args::Arguments;
use super::question::BlockArguments;
use super::say::say;
use super::session::{self, Session};
use super::{EXIT_ABSENT, json, stdout, text};

/// What to ask of a snapshot tree.
#[derive(Debug, Subcommand)]
pub(crate) enum TreeCommand {
    /// The root: the one that the block's protocol state commits to, or else derived from the
    /// block's epochs
    Root(BlockArguments),
    /// One node, or that there is none
    Identity {
        /// ID of the node: 64 hexadecimal digits
        node_id: Identifier,
        #[command(flatten)]
        tree: TreeArguments,
    },
    /// All nodes of a role
    Role {
        /// The role
        role: Role,
        #[command(flatten)]
        tree: TreeArguments,
    },
    /// One field, such as current_epoch.phase, or that there is none
    Field {
        /// Name of the field
        name: Field,
        #[command(flatten)]
        tree: TreeArguments,
    },
}

/// Which tree.
#[derive(Debug, Clone, Args)]
pub(crate) struct TreeArguments {
    #[command(flatten)]
    block: BlockArguments,
    /// Check against this root, which you trust as you would trust a block ID; needs no checkpoint,
    /// and the block has to be the root's: 64 hexadecimal digits
    #[arg(long, value_name = "ROOT")]
    root: Option<Identifier>,
}

/// Asks, verifies, prints; the exit code.
pub(crate) async fn run(arguments: &Arguments, command: &TreeCommand) -> anyhow::Result<u8> {
    let (tree, item) = match command {
        TreeCommand::Root(block) => {
            let mut session = Session::begin(arguments).await?;
            let root = session.client.tree_root(block.selector(Selector::LatestFinalized)).await;
            let root = session.end(root).await?.into_value();
            print(arguments, Some(&root), Map::new())?;
            return Ok(0);
        }
        TreeCommand::Identity { node_id, tree } => (tree, TreeItem::Node(*node_id)),
        TreeCommand::Role { role, tree } => (tree, TreeItem::Role(*role)),
        TreeCommand::Field { name, tree } => (tree, TreeItem::Field(*name)),
    };
    let block = tree.block.selector(Selector::LatestFinalized);
    let question = TreeQuestion::new([item])?;
    let (root, answer) = match tree.root {
        Some(root) => {
            let asked = TreeRequest { block, question: question.clone() };
            let answer = session::ask_tree_with_root(arguments, root, asked).await?;
            let mut about = Map::new();
            about.insert("root".into(), json!(root.to_hex()));
            return finish(arguments, None, (item, &answer), about);
        }
        None => {
            let mut session = Session::begin(arguments).await?;
            let asked = session.client.ask_tree(block, &question).await;
            let (root, answer) = session.end(asked).await?;
            (root.into_value(), answer.into_value())
        }
    };
    finish(arguments, Some(&root), (item, &answer), Map::new())
}

fn finish(
    arguments: &Arguments,
    root: Option<&TreeRoot>,
    (item, answer): (TreeItem, &TreeAnswer),
    mut fields: Map<String, Value>,
) -> anyhow::Result<u8> {
    let absent = add(&mut fields, item, answer);
    print(arguments, root, fields)?;
    if let Some(what) = absent {
        say(&format_args!("verified: the state has no such {what}"));
        return Ok(EXIT_ABSENT);
    }
    Ok(0)
}

/// Adds what was asked for; what is absent, if it is.
fn add(
    fields: &mut Map<String, Value>,
    item: TreeItem,
    answer: &TreeAnswer,
) -> Option<&'static str> {
    let nodes: Vec<IdentityAnswer> = match item {
        TreeItem::Node(node_id) => {
            fields.insert("node_id".into(), json!(node_id.to_hex()));
            answer.nodes.get(&node_id).into_iter().flatten().map(identity).collect()
        }
        TreeItem::Role(role) => {
            fields.insert("role".into(), json!(role.name()));
            answer.roles.get(&role).into_iter().flatten().map(identity).collect()
        }
        TreeItem::Field(field) => {
            let value = answer.fields.get(&field).and_then(Option::as_ref);
            fields.insert("field".into(), json!(field.name()));
            fields.insert("value".into(), value.map_or(Value::Null, json::field_value));
            return value.is_none().then_some("field");
        }
        TreeItem::Table => Vec::new(),
    };
    let absent = matches!(item, TreeItem::Node(_)) && nodes.is_empty();
    fields.insert("identities".into(), json::identities(&nodes).into());
    absent.then_some("node")
}

fn identity(node: &NodeIdentity) -> IdentityAnswer {
    IdentityAnswer { skeleton: node.skeleton.clone(), status: node.status }
}

fn print(
    arguments: &Arguments,
    root: Option<&TreeRoot>,
    fields: Map<String, Value>,
) -> anyhow::Result<()> {
    let mut object = match root.map(json::tree_root) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    };
    object.extend(fields);
    let object = Value::Object(object);
    if arguments.json {
        return stdout(format!("{object}\n").as_bytes());
    }
    let mut out = String::new();
    if let Some(root) = root {
        out.push_str(&text::block(root.block_id, root.height, root.view, root.trust));
        out.push_str(&text::proved_by(root.anchored_by, root.block_id));
    }
    out.push_str(&text::fields(&object));
    stdout(out.as_bytes())
}
