//! One request's way through the peers.

use core::time::Duration;

use alloc::vec::Vec;

use crate::{Peers, Standing};

/// One request's way through the peers: each is asked once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    asked: Vec<usize>,
}

/// Whom to ask next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// The peer.
    pub peer: usize,
    /// When its rest is over; it may be asked before, where there is nobody better.
    pub ready_at: Duration,
}

impl Peers {
    /// Whom a turn asks next: peers that are ready, by preference, then those that rest, whose rest
    /// ends first; none when all were asked that may be.
    #[must_use]
    pub fn next(&self, turn: &Turn, now: Duration) -> Option<Next> {
        let left = (0..self.count()).filter(|peer| !turn.asked.contains(peer));
        left.filter_map(|peer| {
            let ready_at = self.ready_at(peer, now);
            let is_late = self.is_set_aside(peer);
            let rank = (is_late, ready_at, self.peers[peer].suspicion, peer);
            (!is_late || self.asks_set_aside).then_some((rank, Next { peer, ready_at }))
        })
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, next)| next)
    }

    /// As [`Self::next`], and counts it as asked.
    pub fn take(&self, turn: &mut Turn, now: Duration) -> Option<usize> {
        let peer = self.next(turn, now)?.peer;
        turn.asked.push(peer);
        Some(peer)
    }

    /// As [`Self::next`], for a caller that never gives up: begins a new turn when nobody who is left
    /// in this one is ready. So two that fail slowly, each until the other has rested, do not keep a
    /// third from being asked. The caller counts a peer that did not answer, and begins a new turn
    /// after an answer.
    pub fn next_in_turns(&self, turn: &mut Turn, now: Duration) -> Option<Next> {
        let ready = self.next(turn, now).filter(|next| next.ready_at <= now);
        ready.or_else(|| {
            *turn = Turn::default();
            self.next(turn, now)
        })
    }

    fn ready_at(&self, peer: usize, now: Duration) -> Duration {
        match self.peers[peer].standing {
            Standing::Resting { until, .. } => until.max(now),
            _ => now,
        }
    }
}

impl Turn {
    /// A turn that leaves out a peer.
    #[must_use]
    pub fn without(peer: usize) -> Self {
        Self { asked: [peer].to_vec() }
    }

    /// Counts a peer as asked.
    pub fn count(&mut self, peer: usize) {
        self.asked.push(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoPeer, Rests};

    const SECOND: Duration = Duration::from_secs(1);

    fn peers() -> Peers {
        let rests = Rests { first: SECOND, longest: 4 * SECOND, spread: 0 };
        Peers::new(["a", "b", "c"], rests).unwrap()
    }

    fn order(peers: &Peers, now: Duration) -> Vec<usize> {
        let mut turn = Turn::default();
        core::iter::from_fn(|| peers.take(&mut turn, now)).collect()
    }

    #[bounded::test]
    fn silent_peers_come_after_the_others_until_they_have_rested() {
        let mut peers = peers();
        assert_eq!(order(&peers, SECOND), [0, 1, 2]);
        peers.silent(0, "no answer", SECOND);
        assert_eq!(order(&peers, SECOND), [1, 2, 0]);
        assert_eq!(order(&peers, 2 * SECOND), [0, 1, 2]);
        peers.silent(1, "no answer", 2 * SECOND);
        peers.silent(0, "no answer", 2 * SECOND);
        assert_eq!(order(&peers, 2 * SECOND), [2, 1, 0]);
        peers.answered(0);
        assert_eq!(order(&peers, 2 * SECOND), [0, 2, 1]);
        assert_eq!([0, 1, 2].map(|peer| peers.standing(peer).behaves()), [true, false, true]);
    }

    #[bounded::test]
    fn rests_grow_up_to_the_longest_and_begin_anew_after_an_answer() {
        let mut peers = peers();
        let rest = |peers: &mut Peers| {
            peers.silent(0, "no answer", SECOND);
            let turn = Turn { asked: [1, 2].to_vec() };
            peers.next(&turn, SECOND).unwrap().ready_at - SECOND
        };
        let found: Vec<_> = (0..40).map(|_| rest(&mut peers)).collect();
        assert_eq!(found[..4], [SECOND, 2 * SECOND, 4 * SECOND, 4 * SECOND]);
        assert_eq!(found.last(), Some(&(4 * SECOND)));
        peers.answered(0);
        assert_eq!(rest(&mut peers), SECOND);
    }

    #[bounded::test]
    fn a_spread_makes_rests_longer_and_none_longer_than_the_longest() {
        for spread in [1, 2, u64::MAX] {
            let rests = Rests { first: SECOND, longest: 8 * SECOND, spread };
            let found: Vec<_> = (0..6).map(|silences| rests.after(silences)).collect();
            assert!(found[0] >= SECOND && found[0] <= 2 * SECOND, "{found:?}");
            assert!(found.iter().all(|rest| *rest <= 8 * SECOND), "{found:?}");
        }
    }

    #[bounded::test]
    fn a_peer_that_was_wrong_is_asked_last_or_never() {
        let mut peers = peers();
        peers.set_aside(0, "a lie");
        peers.answered(0);
        peers.silent(0, "no answer", SECOND);
        assert!(peers.is_set_aside(0));
        assert_eq!(order(&peers, SECOND), [1, 2]);
        peers.silent(1, "no answer", SECOND);
        assert_eq!(order(&peers.asking_set_aside(), SECOND), [2, 1, 0]);
    }

    #[bounded::test]
    fn slow_failures_do_not_keep_anybody_from_the_last() {
        let (mut peers, mut turn) = (peers(), Turn::default());
        let mut now = SECOND;
        let mut asked = Vec::new();
        for _ in 0..6 {
            let next = peers.next_in_turns(&mut turn, now).unwrap();
            assert_eq!(next.ready_at, now);
            asked.push(next.peer);
            // Longer than any rest.
            now += 5 * SECOND;
            peers.silent(next.peer, "no answer", now);
            turn.count(next.peer);
        }
        assert_eq!(asked, [0, 1, 2, 0, 1, 2]);
    }

    #[bounded::test]
    fn who_rests_does_not_keep_anybody_from_those_who_are_ready() {
        let (mut peers, mut turn) = (peers(), Turn::default());
        peers.rest(1, "no answer", 9 * SECOND);
        peers.set_aside(2, "a lie");
        peers.silent(0, "no answer", SECOND);
        turn.count(0);
        let next = |turn: &mut Turn, now| peers.next_in_turns(turn, now);
        let first = Next { peer: 0, ready_at: 2 * SECOND };
        assert_eq!(next(&mut turn, SECOND), Some(first));
        assert_eq!(next(&mut turn, 2 * SECOND), Some(first));
        turn.count(0);
        let second = Next { peer: 1, ready_at: 9 * SECOND };
        assert_eq!(next(&mut turn, 9 * SECOND), Some(second));
    }

    #[bounded::test]
    fn a_suspect_comes_after_the_others_until_it_answers() {
        let mut peers = peers();
        peers.suspect(0, 2);
        peers.suspect(1, 1);
        assert_eq!(order(&peers, SECOND), [2, 1, 0]);
        peers.answered(0);
        assert_eq!(order(&peers, SECOND), [0, 2, 1]);
    }

    #[bounded::test]
    fn nobody_to_ask_is_told() {
        let names: [&str; 0] = [];
        let rests = Rests { first: SECOND, longest: SECOND, spread: 0 };
        assert_eq!(Peers::new(names, rests).unwrap_err(), NoPeer);
        let mut peers = Peers::new(["a"], rests).unwrap();
        peers.set_aside(0, "a lie");
        assert_eq!(peers.next(&Turn::default(), SECOND), None);
        assert_eq!(peers.next(&Turn::without(0), SECOND), None);
    }
}
