//! Verification of proofs against a root.

use super::identity::take_all;
use super::root::{BY_ID, Rest, RoleCounts, root, take_uint};
use super::tree::{field_leaf, table_roots};
use super::{NodeIdentity, TREE_PROOF_BYTES_MAX, TREE_VERSION, TreeAnswer, TreeQuestion, roles};
use crate::merkle::BatchError;
use crate::merkle::batch::{self, Cursor};
use crate::merkle::hash::NodeHash;
use crate::model::{Identifier, Role};
use alloc::vec::Vec;

/// Checks that `proof` is the proof of an answer to `question` under `root`, and returns the answer.
///
/// # Errors
/// [`TreeError::WrongRoot`] when the proof leads to another root; the others when it is no proof
/// about the question at all.
pub fn verify(
    root: &Identifier,
    question: &TreeQuestion,
    proof: &[u8],
) -> Result<TreeAnswer, TreeError> {
    if proof.len() > TREE_PROOF_BYTES_MAX {
        return Err(TreeError::TooLong { max: TREE_PROOF_BYTES_MAX, found: proof.len() });
    }
    let mut cursor = Cursor::new(proof);
    let version = cursor.byte()?;
    if version != TREE_VERSION {
        return Err(TreeError::Version { found: version });
    }
    let mut opener = Opener { question, cursor, answer: TreeAnswer::default() };
    let found = if question.table { opener.table()? } else { opener.parts()? };
    opener.cursor.finish()?;
    if found != *root {
        return Err(TreeError::WrongRoot { expected: *root, found });
    }
    Ok(opener.answer)
}

/// Reads a proof; the answer means nothing before the root is compared.
struct Opener<'a> {
    question: &'a TreeQuestion,
    cursor: Cursor<'a>,
    answer: TreeAnswer,
}

impl Opener<'_> {
    /// The table, from which both trees of identities follow, and the fields.
    fn table(&mut self) -> Result<Identifier, TreeError> {
        let count = take_uint(&mut self.cursor)?;
        let table = take_all(&mut self.cursor, count)?;
        let (counts, by_id, by_role) = table_roots(&table);
        for node_id in &self.question.nodes {
            let found = table.binary_search_by_key(&node_id, NodeIdentity::node_id).ok();
            self.answer.nodes.insert(*node_id, found.map(|at| table[at].clone()));
        }
        for role in &self.question.roles {
            let list: Vec<_> =
                table.iter().filter(|node| node.skeleton.role == *role).cloned().collect();
            self.answer.roles.insert(*role, list);
        }
        self.answer.table = Some(table);
        let rest = self.rest(counts, by_role)?;
        Ok(root(&by_id, &rest))
    }

    /// The tree by ID, and what is beside it as far as it is asked for.
    fn parts(&mut self) -> Result<Identifier, TreeError> {
        let by_id = self.nodes()?;
        if !self.question.opens_rest() {
            return Ok(root(&by_id, &self.cursor.hash()?));
        }
        let counts = RoleCounts::take(&mut self.cursor)?;
        let wanted = &self.question.roles;
        self.answer.roles = wanted.iter().map(|role| (*role, Vec::new())).collect();
        let by_role = roles::open(&mut self.cursor, &counts, wanted, &mut self.answer.roles)?;
        let rest = self.rest(counts, by_role)?;
        Ok(root(&by_id, &rest))
    }

    fn nodes(&mut self) -> Result<NodeHash, TreeError> {
        let keys = self.question.node_keys();
        self.answer.nodes = self.question.nodes.iter().map(|node_id| (*node_id, None)).collect();
        let nodes = &mut self.answer.nodes;
        let by_id = batch::open(&mut self.cursor, &keys, &mut |key, cursor| {
            let identity = NodeIdentity::take_keyed(Identifier(*key), cursor)?;
            let leaf = identity.leaf(BY_ID);
            nodes.insert(Identifier(*key), Some(identity));
            Ok(leaf)
        });
        Ok(by_id?)
    }

    fn rest(&mut self, counts: RoleCounts, by_role: NodeHash) -> Result<NodeHash, TreeError> {
        let fields = self.fields()?;
        self.answer.role_counts = Some(counts);
        Ok(Rest { counts, by_role, fields }.hash())
    }

    fn fields(&mut self) -> Result<NodeHash, TreeError> {
        let wanted = self.question.field_keys();
        let keys: Vec<_> = wanted.keys().copied().collect();
        self.answer.fields = wanted.values().map(|field| (*field, None)).collect();
        let fields = &mut self.answer.fields;
        let root = batch::open(&mut self.cursor, &keys, &mut |key, cursor| {
            let value = cursor.item()?;
            let field = wanted[key];
            fields.insert(field, Some(field.decode(value)?));
            Ok(field_leaf(value))
        });
        Ok(root?)
    }
}

/// Why a proof was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The proof leads to another root.
    #[error("expected snapshot tree root {expected}, the proof leads to {found}")]
    WrongRoot {
        /// Root asked for.
        expected: Identifier,
        /// Root the proof leads to.
        found: Identifier,
    },
    /// A version this build cannot read.
    #[error("snapshot tree version {TREE_VERSION} is supported, found version {found}")]
    Version {
        /// Version found.
        found: u8,
    },
    /// More bytes than any proof has.
    #[error("a snapshot tree proof has at most {max} bytes, found {found}")]
    TooLong {
        /// Bytes allowed.
        max: usize,
        /// Bytes found.
        found: usize,
    },
    /// A node of another role in a list.
    #[error("expected a node of role {expected}, found one of role {found}")]
    Role {
        /// Role of the list.
        expected: Role,
        /// Role of the node.
        found: Role,
    },
    /// The bytes are no proof about what was asked for.
    #[error("malformed snapshot tree proof: {0}")]
    Malformed(#[from] BatchError),
}
