//! Questions about snapshot trees between `weir.v1` messages and the model.

use weir_protocol::model::Role;
use weir_protocol::request::TreeRequest;
use weir_protocol::snapshot_tree::{Field, TreeItem, TreeQuestion};

use super::ConvertError;
use super::question::{bytes, identifier, role_to_wire, selector_from_wire, selector_to_wire};
use crate::weir::v1;

/// The message of a request for a proof.
#[must_use]
pub(super) fn tree_to_wire(request: &TreeRequest) -> v1::GetTreeProofRequest {
    use v1::tree_item::Item;
    let item = |item: TreeItem| match item {
        TreeItem::Node(node_id) => Item::NodeId(bytes(&node_id)),
        TreeItem::Role(role) => Item::Role(role_to_wire(role).into()),
        TreeItem::Field(field) => Item::Field(field.name().to_owned()),
        TreeItem::Table => Item::Table(v1::WholeTable {}),
    };
    let TreeRequest { block, question } = request;
    let items = question.items().map(|asked| v1::TreeItem { item: Some(item(asked)) });
    v1::GetTreeProofRequest { block: Some(selector_to_wire(*block)), items: items.collect() }
}

/// Reads a request for a proof about a snapshot tree.
///
/// # Errors
/// When no block is selected, there are no items or too many, or one is malformed or unknown.
pub fn tree_from_wire(wire: v1::GetTreeProofRequest) -> Result<TreeRequest, ConvertError> {
    let block = selector_from_wire(wire.block)?;
    let items = wire.items;
    if items.len() > TREE_ITEMS_MAX {
        return Err(ConvertError::too_many("items", TREE_ITEMS_MAX, items.len()));
    }
    let items: Result<Vec<_>, _> = items.into_iter().map(item).collect();
    Ok(TreeRequest { block, question: TreeQuestion::new(items?)? })
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
