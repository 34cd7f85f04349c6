//! The collection clusters of an epoch setup.

use super::Identifier;
use alloc::vec::Vec;

/// Node IDs by cluster.
///
/// An execution node decides how many clusters there are in a setup that is never sealed, so there
/// may be millions of empty ones: four bytes each here, 24 as lists of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clusters {
    node_ids: Vec<Identifier>,
    /// For each cluster, how many node IDs there are up to its end.
    ends: Vec<u32>,
}

impl Clusters {
    /// Without clusters, on lists that have room already.
    pub(crate) fn on(node_ids: Vec<Identifier>, ends: Vec<u32>) -> Self {
        Self { node_ids, ends }
    }

    /// Adds a node to the cluster that [`Self::end`] ends.
    pub(crate) fn push(&mut self, node_id: Identifier) {
        grow(&mut self.node_ids);
        self.node_ids.push(node_id);
    }

    /// Ends a cluster.
    pub(crate) fn end(&mut self) {
        let end = u32::try_from(self.node_ids.len());
        grow(&mut self.ends);
        self.ends.push(end.expect("four billion node ids fill the memory first"));
    }

    /// Number of clusters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The members of each cluster, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[Identifier]> {
        let mut from = 0;
        self.ends.iter().map(move |end| {
            let to = *end as usize;
            let members = &self.node_ids[from..to];
            from = to;
            members
        })
    }
}

impl<C: IntoIterator<Item = Identifier>> FromIterator<C> for Clusters {
    fn from_iter<I: IntoIterator<Item = C>>(clusters: I) -> Self {
        let mut all = Self::default();
        for cluster in clusters {
            cluster.into_iter().for_each(|node_id| all.push(node_id));
            all.end();
        }
        all
    }
}

impl From<Vec<Vec<Identifier>>> for Clusters {
    fn from(clusters: Vec<Vec<Identifier>>) -> Self {
        clusters.into_iter().collect()
    }
}

/// Makes room for one more, by a quarter of what there is, where a list doubles: it is the memory
/// that counts.
pub(crate) fn grow<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 4).max(4));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[bounded::test]
    fn keeps_every_cluster() {
        let id = |number| Identifier([number; 32]);
        let clusters = vec![vec![], vec![id(1), id(2)], vec![], vec![id(3)], vec![]];
        let kept = Clusters::from(clusters.clone());
        assert_eq!(kept.len(), 5);
        assert!(kept.iter().eq(clusters.iter().map(Vec::as_slice)));
        assert!(Clusters::default().is_empty());
    }
}
