//! Questions about snapshot trees between `weir.v1` messages and the model.

use weir_protocol::evidence::Selector;
use weir_protocol::model::Role;
use weir_protocol::snapshot_tree::{Field, TreeItem, TreeQuestion};

use super::ConvertError;
use super::question::{bytes, identifier, role_to_wire, selector_to_wire};
use crate::weir::v1;

/// The message that asks `question` about the tree at a block.
#[must_use]
pub fn tree_request_to_wire(block: Selector, question: &TreeQuestion) -> v1::GetTreeProofRequest {
    use v1::tree_item::Item;
    let item = |item: TreeItem| match item {
        TreeItem::Node(node_id) => Item::NodeId(bytes(&node_id)),
        TreeItem::Role(role) => Item::Role(role_to_wire(role).into()),
        TreeItem::Field(field) => Item::Field(field.name().to_owned()),
        TreeItem::Table => Item::Table(v1::WholeTable {}),
    };
    let items = question.items().map(|asked| v1::TreeItem { item: Some(item(asked)) });
    v1::GetTreeProofRequest { block: Some(selector_to_wire(block)), items: items.collect() }
}

/// Reads what is asked of a snapshot tree.
///
/// # Errors
/// When there are no items or too many, or one is malformed or unknown.
pub fn tree_question_from_wire(items: Vec<v1::TreeItem>) -> Result<TreeQuestion, ConvertError> {
    if items.len() > TREE_ITEMS_MAX {
        return Err(ConvertError::too_many("items", TREE_ITEMS_MAX, items.len()));
    }
    let items: Result<Vec<_>, _> = items.into_iter().map(item).collect();
    Ok(TreeQuestion::new(items?)?)
}

fn item(wire: v1::TreeItem) -> Result<TreeItem, ConvertError> {
    use v1::tree_item::Item;
    match wire.item.ok_or_else(|| ConvertError::missing("items.item"))? {
        Item::NodeId(node_id) => identifier("items.node_id", &node_id).map(TreeItem::Node),
        Item::Role(number) => {
            let role = u64::try_from(number).ok().and_then(Role::from_number);
            role.map(TreeItem::Role).ok_or_else(|| ConvertError::unknown("items.role", number))
        }
        Item::Field(name) => Ok(TreeItem::Field(name.parse::<Field>()?)),
        Item::Table(v1::WholeTable {}) => Ok(TreeItem::Table),
    }
}

/// Most items in one question.
pub const TREE_ITEMS_MAX: usize = 2048;
