//! The evidence format, and trusted states.

use weir_protocol::codec::{entity_id, sha3_256};
use weir_protocol::evidence::{BUNDLE_BYTES_MAX, Bundle, Evidence, Preimages};
use weir_verifier::{Misbehaviour, TrustedState};

use crate::input::Input;
use crate::known::KNOWN;

/// Evidence, and files about misbehaviour: what is accepted is written again byte for byte, and
/// bundles expand within bounds.
pub fn evidence(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let own = input.choose(&KNOWN.cases);
    let bytes = if !input.is_raw() {
        let mut item = own.tree.clone();
        item.edit(&mut input, &KNOWN.donors());
        item.sort_preimages();
        item.to_bytes()
    } else {
        input.rest().to_vec()
    };
    if let Ok(found) = Misbehaviour::from_bytes(&bytes) {
        assert_eq!(found.to_bytes(), bytes, "another encoding of the same misbehaviour");
    }
    let Ok(evidence) = Evidence::from_bytes(&bytes) else { return };
    assert_eq!(evidence.to_bytes(), bytes, "another encoding of the same evidence");
    let nothing = Bundle::default();
    let (bundle, hops) = match &evidence {
        Evidence::Checkpoint(proof) => (&proof.bundle, &[][..]),
        Evidence::Hops(page) => (&nothing, &page.hops[..]),
        Evidence::Answer(proof) => (&proof.bundle, &[][..]),
        Evidence::File(file) => (&file.answer.bundle, &file.hops[..]),
    };
    let expanded = expand(bundle, &[]);
    // Only the first hop: each is bounded by itself, and a client stops at the first bad one.
    if let Some(hop) = hops.first() {
        expand(&hop.bundle, &[&expanded]);
    }
}

/// All preimages of a bundle, which must each be under their own hash.
fn expand(bundle: &Bundle, held: &[&Preimages]) -> Preimages {
    let Ok(expanded) = bundle.expand(held) else { return Preimages::default() };
    assert!(expanded.bytes() <= BUNDLE_BYTES_MAX, "{} bytes", expanded.bytes());
    let hashed = |id| expanded.get(id).map(entity_id);
    assert!(expanded.ids().all(|id| hashed(id) == Some(*id)), "a preimage under another hash");
    assert!(bundle.preimages.ids().all(|id| expanded.contains(id)), "a preimage is lost");
    expanded
}

/// Trusted states, with the checksum put right: what is accepted is written again byte for byte.
pub fn trusted_state(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let own = input.choose(&KNOWN.states);
    let mut content = match input.byte() % 4 {
        1 => input.rest().to_vec(),
        _ => {
            let mut item = own.clone();
            item.edit(&mut input, &KNOWN.states.iter().collect::<Vec<_>>());
            item.to_bytes()
        }
    };
    content.extend_from_slice(&sha3_256(&[&content]).0);
    let Ok(state) = TrustedState::from_bytes(&content) else { return };
    assert_eq!(state.to_bytes(), content, "another encoding of the same state");
    assert!(state.oldest_epoch().counter() <= state.newest_epoch().counter());
    assert!(state.committee(state.newest_epoch().counter()).is_some(), "no newest committee");
}
