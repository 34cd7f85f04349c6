//! Peers that several askers share, so that each knows what the others learned of them.

use alloc::sync::Arc;
use core::fmt;

use spin::Mutex;

use crate::Peers;

/// A handle to peers; cheap to clone. All who hold one count time from the same beginning.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Peers>>);

impl Shared {
    /// Shares peers that one alone asked until now.
    #[must_use]
    pub fn new(peers: Peers) -> Self {
        Self(Arc::new(Mutex::new(peers)))
    }

    /// Reads or changes how the peers have behaved. Others wait meanwhile, so this must not.
    pub fn with<T>(&self, change: impl FnOnce(&mut Peers) -> T) -> T {
        change(&mut self.0.lock())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&*self.0.lock()).finish()
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::{Rests, Standing, Turn};

    #[bounded::test]
    fn what_one_learns_the_other_knows() {
        let second = Duration::from_secs(1);
        let rests = Rests { first: second, longest: second, spread: 0 };
        let one = Shared::new(Peers::new(["a", "b"], rests).unwrap());
        let other = one.clone();
        let next = |shared: &Shared| shared.with(|peers| peers.take(&mut Turn::default(), second));
        assert_eq!(next(&other), Some(0));
        one.with(|peers| peers.set_aside(0, "a lie"));
        assert_eq!(next(&other), Some(1));
        other.with(|peers| peers.silent(1, "no answer", second));
        assert!(one.with(|peers| matches!(peers.standing(1), Standing::Resting { .. })));
        // A copy of the peers is nobody else's.
        let apart = Shared::new(one.with(|peers| peers.clone()));
        apart.with(|peers| peers.answered(1));
        assert!(!one.with(|peers| peers.standing(1).behaves()));
    }
}
