//! From epoch to epoch: gaps, order, committees that are none, and deltas.

use weir_conformance::Group;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{Bundle, Delta, Hop, HopsPage, Piece};
use weir_protocol::model::{Identifier, IdentitySkeleton, Role};
use weir_verifier::{Timing, TrustedState};

use super::chain::Chain;
use super::forge::{EPOCH_VIEWS, Forge, State};
use super::group::{Cases, Lie, NOW_MS};

pub(super) fn group(forge: &Forge, long: &Chain) -> Group {
    let about = "A hop is a final block of the newest known epoch, and commits the next one.";
    let mut cases = Cases::new("hops", about);
    pages(&mut cases, long);
    blocks(&mut cases, forge);
    boundary(&mut cases, long);
    committees(&mut cases, forge);
    keys(&mut cases, forge);
    deltas(&mut cases, &forge.chain);
    cases.finish()
}

fn pages(cases: &mut Cases, chain: &Chain) {
    let trusted = &chain.root;
    let page = chain.hops(trusted, 3);
    let task = cases.hops(trusted, &page);
    cases.honest("page-of-three", "Three hops, which build on one another.", task);
    let whole = chain.whole_hops(7, 3);
    let task = cases.hops(trusted, &whole);
    cases.honest("page-of-three-whole", "Three hops, in order.", task);
    let mut lie = |lie, change: &dyn Fn(&mut Vec<Hop>)| {
        let mut evidence = whole.clone();
        change(&mut evidence.hops);
        let task = cases.hops(trusted, &evidence);
        cases.lie(lie, task);
    };
    lie(("first-left-out", "EpochOrder", "An epoch is left out."), &|hops| _ = hops.remove(0));
    lie(("middle-left-out", "EpochOrder", "An epoch is left out."), &|hops| _ = hops.remove(1));
    lie(("reversed", "EpochOrder", "The hops are reversed."), &|hops| hops.reverse());
    let what = "A hop that is proved already, after one that was not.";
    lie(("stale-after-new", "HopOrder", what), &|hops| hops.push(hops[0].clone()));
    lie(("twice", "HopOrder", "A hop comes twice in a row."), &|hops| {
        hops.insert(1, hops[0].clone());
    });
    let what = "No hop certifies anything.";
    lie(("uncertified", "Certificate", what), &|hops| hops[0].block.qc = None);
    lie(("certified-only", "Finality", "A hop that is certified, but not final."), &|hops| {
        let block = &mut hops[0].block;
        block.qc = Some(block.descendants[0].parent_qc());
        block.descendants.clear();
    });
    lie(("no-roots", "PayloadRoots", "A hop without its state."), &|hops| {
        hops[0].block.roots = None;
    });
    lie(("another-state", "PayloadHash", "A hop with another state."), &|hops| {
        hops[0].block.roots.as_mut().unwrap().protocol_state_id = Identifier([1; 32]);
    });
    lie(("no-preimages", "Preimage", "A hop without preimages."), &|hops| {
        hops[0].bundle = Bundle::default();
    });
    let walked = chain.walked(2);
    let task = cases.hops(&walked, &whole);
    cases.honest("stale-before-new", "Two hops that are proved already, and a new one.", task);
    let task = cases.hops(&walked, &HopsPage::default());
    cases.honest("no-hops", "A page of no hops proves nothing and breaks nothing.", task);
    times(cases, chain, &whole);
}

fn times(cases: &mut Cases, chain: &Chain, whole: &HopsPage) {
    let first = HopsPage { hops: whole.hops[..1].to_vec(), ..HopsPage::default() };
    let hop_ms = first.hops[0].block.header.timestamp_ms;
    cases.at(hop_ms - 30_000);
    let task = cases.hops(&chain.root, &first);
    cases.honest("in-time", "A clock half a minute late.", task.clone());
    cases.at(hop_ms - 30_001);
    cases.lie(("from-the-future", "Clock", "A clock later than that."), task.clone());
    cases.at(0);
    cases.lie(("clock-before-genesis", "Clock", "A clock that was never set."), task.clone());
    cases.trusting_for(Some(3_600_000));
    cases.at(chain.root.head().timestamp_ms + 3_600_001);
    cases.lie(("trust-expired", "TrustExpired", "Trust older than it may be."), task);
    cases.trusting_for(None);
    cases.at(NOW_MS);
}

/// A page of one hop, signed by whoever is in office.
fn page(forge: &Forge, state: &State) -> HopsPage {
    let block = forge.finalized(&forge.state(1).setup, &state.header, Some(state.roots));
    HopsPage { hops: vec![Hop { block, bundle: state.bundle() }], ..HopsPage::default() }
}

/// Blocks of the first epoch that its committee signs, whatever they say.
struct Signed<'a> {
    forge: &'a Forge,
    honest: State,
}

impl<'a> Signed<'a> {
    fn new(cases: &mut Cases, name: &str, what: &str, forge: &'a Forge) -> Self {
        let honest = forge.state(EPOCH_VIEWS - 5);
        let task = cases.hops(&forge.chain.root, &page(forge, &honest));
        cases.honest(name, what, task);
        Self { forge, honest }
    }

    /// A hop to a state that is as good as the honest one.
    fn accepted(
        &self,
        cases: &mut Cases,
        (name, what): (&str, &str),
        change: impl FnOnce(&mut State),
    ) {
        let mut state = self.honest.clone();
        change(&mut state);
        let state = state.commit();
        let task = cases.hops(&self.forge.chain.root, &page(self.forge, &state));
        cases.accepted(name, what, task);
    }

    fn lie(&self, cases: &mut Cases, lie: Lie<'_>, change: impl FnOnce(State) -> State) {
        let state = change(self.honest.clone());
        let task = cases.hops(&self.forge.chain.root, &page(self.forge, &state));
        cases.lie(lie, task);
    }
}

fn blocks(cases: &mut Cases, forge: &Forge) {
    let signed = Signed::new(cases, "one-hop", "A hop that the committee signed.", forge);
    let staking = forge.state(5);
    assert!(staking.next.is_none());
    let what = "The state commits no next epoch yet.";
    signed.lie(cases, ("next-epoch-not-set-up", "HopNotCommitted", what), |_| staking);
    let what = "The next epoch is set up, but not committed.";
    signed.lie(cases, ("next-epoch-not-committed", "HopNotCommitted", what), |mut state| {
        state.entry.next_epoch.as_mut().unwrap().commit_id = Identifier::ZERO;
        state.commit_entry()
    });
    let what = "The next epoch begins a view late.";
    signed.lie(cases, ("next-epoch-late", "EpochOrder", what), |mut state| {
        state.next_mut().0.first_view += 1;
        state.commit()
    });
    let what = "The next epoch begins before this one ends.";
    signed.lie(cases, ("next-epoch-early", "EpochOrder", what), |mut state| {
        state.next_mut().0.first_view -= 1;
        state.commit()
    });
    let what = "The next epoch is the one after it.";
    signed.lie(cases, ("next-epoch-skipped", "EpochOrder", what), |mut state| {
        let (setup, commit) = state.next_mut();
        (setup.counter, commit.counter) = (setup.counter + 1, commit.counter + 1);
        state.commit()
    });
    let what = "The next epoch has the number of this one.";
    signed.lie(cases, ("next-epoch-the-same", "EpochOrder", what), |mut state| {
        let (setup, commit) = state.next_mut();
        (setup.counter, commit.counter) = (setup.counter - 1, commit.counter - 1);
        state.commit()
    });
    let what = "The state names another committee for the epoch in office.";
    signed.lie(cases, ("committee-replaced", "EpochSetup", what), |mut state| {
        state.setup.participants.pop();
        state.commit()
    });
    let what = "The block is of a view after its epoch.";
    signed.lie(cases, ("view-after-the-epoch", "ViewOutsideEpoch", what), |mut state| {
        state.header.view += EPOCH_VIEWS;
        state
    });
    let what = "A setup with a byte after its end.";
    signed.lie(cases, ("setup-with-a-tail", "Preimage", what), |mut state| {
        let setup = [state.next.as_ref().unwrap().0.to_rlp(), vec![0x80]].concat();
        state.entry.next_epoch.as_mut().unwrap().setup_id = state.preimages.insert(setup);
        state.commit_entry()
    });
    let what = "An epoch state where the store should be.";
    signed.lie(cases, ("entry-for-a-store", "Preimage", what), |mut state| {
        state.roots.protocol_state_id = state.entry.id();
        state.commit_roots()
    });
    let what = "A hop that the next committee signed, which it commits itself.";
    let state = signed.honest.clone();
    let mut evidence = page(forge, &state);
    evidence.hops[0].block =
        forge.finalized(&state.next.as_ref().unwrap().0, &state.header, Some(state.roots));
    let task = cases.hops(&forge.chain.root, &evidence);
    cases.lie(("signed-by-the-next-committee", "Certificate", what), task);
}

/// A hop whose descendants are of the epoch that it commits.
fn boundary(cases: &mut Cases, chain: &Chain) {
    // The last block of the first epoch commits the second like the hop's own does.
    let last = (1000..1030).take_while(|height| chain.header(*height).view <= 5199).last().unwrap();
    let question = super::chain::snapshot(last);
    let mut evidence = chain.whole_hops(7, 1);
    let whole = chain.whole(&question, weir_protocol::request::Depth::Finality);
    evidence.hops[0].block = whole.block;
    evidence.hops[0].bundle.extend(whole.bundle);
    let descendants = &evidence.hops[0].block.descendants;
    assert!(descendants.iter().all(|header| header.view > 5199), "{}", descendants.len());
    let task = cases.hops(&chain.root, &evidence);
    cases.honest("descendants-in-the-next-epoch", "Final by the committee it commits.", task);
    let mut forged = evidence.clone();
    forged.hops[0].block.descendants[0].parent_voter_indices[4] = 0;
    let task = cases.hops(&chain.root, &forged);
    let what = "Its own certificate, which the committee in office must sign, is gone.";
    cases.lie(("not-certified-in-office", "HeaderLink", what), task.clone());
    let mut alone = evidence;
    alone.hops[0].block.descendants.truncate(1);
    alone.hops[0].block.qc = None;
    let task = cases.hops(&chain.root, &alone);
    let what = "Nothing of the next epoch certifies it.";
    cases.lie(("nothing-in-the-next-epoch", "Certificate", what), task);
}

fn is_consensus(node: &IdentitySkeleton) -> bool {
    node.role == Role::Consensus
}

fn committees(cases: &mut Cases, forge: &Forge) {
    const RULE: &str = "Committee";
    let what = "A hop to a committee that is one.";
    let signed = Signed::new(cases, "committee", what, forge);
    let mut lie = |name, what, change: fn(&mut Vec<IdentitySkeleton>)| {
        signed.lie(cases, (name, RULE, what), |mut state| {
            change(&mut state.next_mut().0.participants);
            state.commit()
        });
    };
    lie("committee-empty", "No consensus node is left.", |nodes| {
        nodes.retain(|node| !is_consensus(node));
    });
    lie("committee-without-weight", "No consensus node has weight.", |nodes| {
        nodes.iter_mut().for_each(|node| node.initial_weight = 0);
    });
    lie("committee-out-of-order", "Members are not in canonical order.", |nodes| nodes.reverse());
    lie("member-twice", "A member comes twice.", |nodes| {
        let at = nodes.iter().position(is_consensus).unwrap();
        nodes.insert(at, nodes[at].clone());
    });
    lie("too-many-members", "More members than any committee has.", |nodes| {
        let mut member = nodes.iter().find(|node| is_consensus(node)).unwrap().clone();
        nodes.clear();
        for number in 0..4097_u64 {
            member.node_id.0[..8].copy_from_slice(&number.to_be_bytes());
            nodes.push(member.clone());
        }
    });
    let what = "The commit is of another epoch than the setup.";
    signed.lie(cases, ("commit-of-another-epoch", RULE, what), |mut state| {
        state.next_mut().1.counter += 1;
        state.commit()
    });
}

/// Keys that are none, and those that flow-go takes all the same.
fn keys(cases: &mut Cases, forge: &Forge) {
    let what = "A hop to a committee with keys that are ones.";
    let signed = Signed::new(cases, "keys", what, forge);
    let mut identity = [0; 96];
    identity[0] = 0xc0;
    let what = "Nothing that it signs is valid, but it is a key.";
    signed.accepted(cases, ("staking-key-identity", what), |state| {
        first_member(state).staking_key = Some(identity);
    });
    signed.accepted(cases, ("beacon-key-identity", what), |state| {
        state.next_mut().1.dkg_group_key = identity;
    });
    let what = "A member without a key, which counts and cannot sign.";
    signed.accepted(cases, ("staking-key-missing", what), |state| {
        first_member(state).staking_key = None;
    });
    let what = "The sum of the weights wraps, as flow-go's does.";
    signed.accepted(cases, ("weight-overflow", what), |state| {
        let nodes = state.next_mut().0.participants.iter_mut();
        nodes.for_each(|node| node.initial_weight = u64::MAX);
    });
    let points = [
        ("wrong-subgroup", "A point outside the subgroup.", on_curve(true)),
        ("off-the-curve", "No point of the curve.", on_curve(false)),
        ("zeros", "Zeros.", [0; 96]),
        ("ones", "Every bit is set.", [0xff; 96]),
    ];
    for (name, what, point) in points {
        let staking = format!("staking-key-{name}");
        signed.lie(cases, (&staking, "Committee", what), |mut state| {
            first_member(&mut state).staking_key = Some(point);
            state.commit()
        });
        let beacon = format!("beacon-key-{name}");
        signed.lie(cases, (&beacon, "Committee", what), |mut state| {
            state.next_mut().1.dkg_group_key = point;
            state.commit()
        });
    }
}

/// The first consensus node of the next epoch.
fn first_member(state: &mut State) -> &mut IdentitySkeleton {
    let mut nodes = state.next_mut().0.participants.iter_mut();
    nodes.find(|node| is_consensus(node)).unwrap()
}

/// The first point, by its real part, on the curve and outside the subgroup; or off the curve.
fn on_curve(wanted: bool) -> [u8; 96] {
    for real in 1..=u8::MAX {
        let mut usual = [0; 96];
        (usual[0], usual[95]) = (0x80, real);
        let found = blst::min_sig::PublicKey::uncompress(&usual);
        if wanted == found.is_ok_and(|point| point.validate().is_err()) && wanted == found.is_ok() {
            // Flow swaps the two halves; flags stay in the first byte.
            let mut bytes = [0; 96];
            (bytes[0], bytes[47]) = (0x80, real);
            return bytes;
        }
    }
    panic!("no such point");
}

fn deltas(cases: &mut Cases, chain: &Chain) {
    let trusted: &TrustedState = &chain.root;
    let page = chain.hops(trusted, 1);
    assert!(!page.hops[0].bundle.deltas.is_empty(), "a hop comes with deltas");
    let task = cases.hops(trusted, &page);
    cases.honest("deltas", "A hop told as changes to what the client holds.", task);
    let base = page.hops[0].bundle.deltas[0].base();
    let len = trusted.preimages().get(&base).unwrap().len() as u64;
    let mut lie = |lie, deltas: &dyn Fn(&mut Vec<Delta>)| {
        let mut evidence = page.clone();
        deltas(&mut evidence.hops[0].bundle.deltas);
        let task = cases.hops(trusted, &evidence);
        cases.lie(lie, task);
    };
    let copy = |offset, len| Delta::new(base, &[Piece::Copy { offset, len }]);
    let mut ranges = |name, what, offset, len| {
        lie((name, "Delta", what), &|deltas| deltas.push(copy(offset, len)));
    };
    ranges("copy-past-the-end", "A copy ends a byte behind its base.", 1, len);
    ranges("copy-from-behind", "A copy starts behind its base.", len + 1, 1);
    ranges("copy-from-the-last-byte", "A copy starts at the end of all numbers.", u64::MAX, 1);
    ranges("copy-of-everything", "A copy of 2^64 - 1 bytes.", 0, u64::MAX);
    let what = "Copies of a base until there are more than 64 MiB.";
    lie(("copies-without-bound", "Delta", what), &|deltas| {
        let times = (64 << 20) / usize::try_from(len).unwrap() + 1;
        deltas.push(Delta::new(base, &vec![Piece::Copy { offset: 0, len }; times]));
    });
    let what = "Lengths that overflow when they are added.";
    lie(("copies-that-overflow", "Delta", what), &|deltas| {
        deltas.push(Delta::new(base, &[Piece::Copy { offset: 0, len: u64::MAX }; 3]));
    });
    lie(("base-unknown", "Preimage", "A base that nobody has."), &|deltas| {
        deltas[0] = Delta::new(Identifier([1; 32]), &deltas[0].pieces().collect::<Vec<_>>());
    });
    lie(("delta-left-out", "Preimage", "A delta is left out."), &|deltas| _ = deltas.remove(0));
    let what = "A delta that expands to something else.";
    lie(("delta-to-something-else", "Preimage", what), &|deltas| {
        deltas[0] = Delta::new(base, &[Piece::Copy { offset: 0, len }]);
    });
    let mut stranger = trusted.clone();
    stranger.apply_hops(&page, &Timing::at(NOW_MS)).unwrap();
    let later = chain.hops(&stranger, 1);
    let task = cases.hops(&stranger, &later);
    cases.honest("later-deltas", "A hop told as changes to a later state.", task);
    let task = cases.hops(
        trusted,
        &HopsPage { hops: [page.hops[0].clone(), later.hops[0].clone()].to_vec(), more: false },
    );
    cases.honest("joined-pages", "Two pages made one after the other, as one.", task);
}
