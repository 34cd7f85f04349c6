//! Requests as bytes: RLP, one encoding for one request.

use super::{
    AnswerRequest, Depth, Held, HopsRequest, MaxHops, Question, Request, Selector, TreeRequest,
};
use crate::codec::rlp::{Decoder, Encoder, RlpError};
use crate::codec::sha3_256;
use crate::model::{Identifier, Role};
use crate::snapshot_tree::{Field, TREE_NODES_MAX, TreeItem, TreeQuestion};

impl Request {
    /// The request's ID, which receipts name: SHA3-256 of its RLP.
    #[must_use]
    pub fn id(&self) -> Identifier {
        let mut encoder = Encoder::new();
        self.encode(&mut encoder);
        sha3_256(&[&encoder.finish()])
    }

    /// Appends the request.
    pub fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| match self {
            Self::Checkpoint(block_id) => {
                e.uint(0);
                e.bytes(&block_id.0);
            }
            Self::EpochHops(HopsRequest { epoch_counter, held, max_hops }) => {
                e.uint(1);
                e.uint(*epoch_counter);
                held.encode(e);
                e.uint(max_hops.0.into());
            }
            Self::Answer(AnswerRequest { question, held, depth }) => {
                e.uint(2);
                question.encode(e);
                held.encode(e);
                e.uint(depth.number());
            }
            Self::TreeProof(TreeRequest { block, question }) => {
                e.uint(3);
                block.encode(e);
                e.list(|e| question.items().for_each(|asked| encode_item(e, asked)));
            }
        });
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are no request, or not exactly what [`Self::encode`] writes.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| match d.uint()? {
            0 => Ok(Self::Checkpoint(Identifier(d.array()?))),
            1 => Ok(Self::EpochHops(HopsRequest {
                epoch_counter: d.uint()?,
                held: Held::decode(d)?,
                max_hops: u32::try_from(d.uint()?)
                    .map(MaxHops)
                    .map_err(|_| RlpError::Invalid { field: "most hops" })?,
            })),
            2 => Ok(Self::Answer(AnswerRequest {
                question: Question::decode(d)?,
                held: Held::decode(d)?,
                depth: Depth::from_number(d.uint()?)
                    .ok_or(RlpError::Invalid { field: "depth of a proof" })?,
            })),
            3 => Ok(Self::TreeProof(TreeRequest {
                block: Selector::decode(d)?,
                question: tree_question(d)?,
            })),
            _ => Err(RlpError::Invalid { field: "kind of request" }),
        })
    }
}

fn encode_item(encoder: &mut Encoder, item: TreeItem) {
    encoder.list(|e| match item {
        TreeItem::Table => e.uint(0),
        TreeItem::Node(node_id) => {
            e.uint(1);
            e.bytes(&node_id.0);
        }
        TreeItem::Role(role) => {
            e.uint(2);
            e.uint(role.number().into());
        }
        TreeItem::Field(field) => {
            e.uint(3);
            e.bytes(field.name().as_bytes());
        }
    });
}

/// Reads items that come in the order in which a question has them, each once.
fn tree_question(decoder: &mut Decoder<'_>) -> Result<TreeQuestion, RlpError> {
    let malformed = || RlpError::Invalid { field: "items of a tree question" };
    let items = decoder.list_of_at_most(ITEMS_MAX, "number of tree items", decode_item)?;
    let question = TreeQuestion::new(items.iter().copied()).map_err(|_| malformed())?;
    if question.items().eq(items) { Ok(question) } else { Err(malformed()) }
}

fn decode_item(decoder: &mut Decoder<'_>) -> Result<TreeItem, RlpError> {
    decoder.list(|d| match d.uint()? {
        0 => Ok(TreeItem::Table),
        1 => Ok(TreeItem::Node(Identifier(d.array()?))),
        2 => Role::from_number(d.uint()?)
            .map(TreeItem::Role)
            .ok_or(RlpError::Invalid { field: "role" }),
        3 => {
            let field = d.text()?.parse::<Field>();
            field.map(TreeItem::Field).map_err(|_| RlpError::Invalid { field: "name of a field" })
        }
        _ => Err(RlpError::Invalid { field: "kind of tree item" }),
    })
}

/// Most items of a question about a tree: each that there is, once.
const ITEMS_MAX: usize = 1 + TREE_NODES_MAX + Role::ALL.len() + Field::ALL.len();

#[cfg(test)]
mod tests {
    use super::super::Topic;
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    fn id(byte: u8) -> Identifier {
        Identifier([byte; 32])
    }

    /// Requests that differ in one place each.
    fn requests() -> Vec<Request> {
        let held = Held { checkpoint_id: Some(id(1)), ..Held::default() };
        let as_head = Held { head_id: Some(id(1)), ..Held::default() };
        let with = Held { preimage_ids: BTreeSet::from([id(2), id(3)]), ..held.clone() };
        let later = Held { newest_epoch_counter: 1, ..held.clone() };
        let question =
            |height| Question { block: Selector::Height(height), topic: Topic::Snapshot };
        let mut requests = Vec::from([Request::Checkpoint(id(1))]);
        for held in [held, as_head, with, later, Held::default()] {
            for depth in Depth::ALL {
                for question in [question(5), question(6)] {
                    let held = held.clone();
                    requests.push(Request::Answer(AnswerRequest { question, held, depth }));
                }
            }
            for (epoch_counter, max) in [(0, 1), (1, 0), (1, 1)] {
                let (held, max_hops) = (held.clone(), MaxHops(max));
                requests.push(Request::EpochHops(HopsRequest { epoch_counter, held, max_hops }));
            }
        }
        let items = [
            TreeItem::Table,
            TreeItem::Node(id(1)),
            TreeItem::Role(Role::Access),
            TreeItem::Field("current_epoch.phase".parse().unwrap()),
        ];
        for count in 1..=items.len() {
            let question = TreeQuestion::new(items[..count].iter().copied()).unwrap();
            let block = Selector::LatestSealed;
            requests.push(Request::TreeProof(TreeRequest { block, question }));
        }
        requests
    }

    #[bounded::test]
    fn requests_that_differ_have_different_ids() {
        let ids: BTreeSet<_> = requests().iter().map(Request::id).collect();
        assert_eq!(ids.len(), requests().len());
    }

    #[bounded::test]
    fn a_request_is_read_as_it_is_written_and_nothing_else_is() {
        for request in requests() {
            let mut encoder = Encoder::new();
            request.encode(&mut encoder);
            let bytes = encoder.finish();
            assert_eq!(Request::decode(&mut Decoder::new(&bytes)), Ok(request));
            for len in 0..bytes.len() {
                assert!(Request::decode(&mut Decoder::new(&bytes[..len])).is_err());
            }
        }
    }

    #[bounded::test]
    fn items_out_of_order_are_refused() {
        let bytes = |items: &[TreeItem]| {
            let mut encoder = Encoder::new();
            encoder.list(|e| items.iter().for_each(|asked| encode_item(e, *asked)));
            encoder.finish()
        };
        let read = |items: &[TreeItem]| tree_question(&mut Decoder::new(&bytes(items)));
        let (first, second) = (TreeItem::Node(id(1)), TreeItem::Node(id(2)));
        assert!(read(&[first, second]).is_ok());
        assert!(read(&[second, first]).is_err());
        assert!(read(&[first, first]).is_err());
        assert!(read(&[]).is_err());
    }

    #[bounded::test]
    fn items_are_counted_before_they_are_read() {
        let read = |items: usize| {
            let mut encoder = Encoder::new();
            encoder.list(|e| (0..items).for_each(|_| encode_item(e, TreeItem::Table)));
            tree_question(&mut Decoder::new(&encoder.finish()))
        };
        assert_eq!(read(ITEMS_MAX), Err(RlpError::Invalid { field: "items of a tree question" }));
        assert_eq!(read(ITEMS_MAX + 1), Err(RlpError::Invalid { field: "number of tree items" }));
    }

    #[bounded::test]
    fn a_server_is_asked_for_no_more_hops_than_it_sends() {
        assert_eq!(MaxHops::LEFT_TO_SERVER.count(), 64);
        assert_eq!(MaxHops(3).count(), 3);
        assert_eq!(MaxHops(u32::MAX).count(), 64);
    }
}
