//! Decoders of what one person sends another: an accusation, and the trusted state in it.

use weir_memory::check;
use weir_memory::rlp::{list, many};
use weir_protocol::codec::rlp::Encoder;
use weir_protocol::codec::sha3_256;
use weir_verifier::{Misbehaviour, TrustedState};

/// An item: 32 bytes.
fn id() -> Vec<u8> {
    [&[0xa0][..], &[0; 32]].concat()
}

/// An accusation that the answer to `request` is wrong.
fn accusation(request: &[u8], grounds: &[u8]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        e.bytes(b"weir misbehaviour");
        e.uint(3);
        e.bytes(b"");
        e.uint(0);
        e.raw(&list(&[&[0x80][..], request, &[0x80], &[0x80], grounds].concat()));
    });
    encoder.finish()
}

/// Accusations, named by what they are full of.
fn hostile_accusations(len: usize) -> Vec<(&'static str, Vec<u8>)> {
    let (empty, checkpoint) = (list(&[]), list(&[&[0x80][..], &id()].concat()));
    let latest = list(&[0x80]);
    let held = |ids: &[u8]| list(&[&[0x80, 0x80, 0x80][..], ids].concat());
    let hops = |ids: &[u8]| list(&[&[0x01, 0x80][..], &held(ids), &[0x80]].concat());
    let filter = |roles: &[u8], ids: &[u8]| {
        let topic = list(&[&[0x02][..], roles, &empty, ids].concat());
        let question = list(&[&latest[..], &topic].concat());
        list(&[&[0x02][..], &question, &held(&empty), &[0x80]].concat())
    };
    let tree = |items: &[u8]| list(&[&[0x03][..], &latest, items].concat());
    let named = |preimages: &[u8]| list(&[&[0x80][..], preimages].concat());
    let asked = |request: &[u8]| accusation(request, &named(&empty));
    let field = list(&[&[0x03][..], &[0x80]].concat());
    vec![
        ("held preimages", asked(&hops(&many(&id(), len)))),
        ("empty items for held preimages", asked(&hops(&many(&[0x80], len)))),
        ("nodes of a filter", asked(&filter(&empty, &many(&id(), len)))),
        ("roles of a filter", asked(&filter(&many(&[0x01], len), &empty))),
        ("tables", asked(&tree(&many(&list(&[0x80]), len)))),
        ("empty lists for tree items", asked(&tree(&many(&empty, len)))),
        ("fields", asked(&tree(&many(&field, len)))),
        ("preimages", accusation(&checkpoint, &named(&many(&[0x01], len)))),
    ]
}

#[bounded::test]
fn accusations_take_four_times_their_bytes() {
    for (name, bytes) in SIZES.into_iter().flat_map(hostile_accusations) {
        let read = || Misbehaviour::from_bytes(&bytes);
        check(&format!("accusation of {name}"), bytes.len(), read);
    }
}

/// A trusted state, whose checksum anybody can make.
fn state(epochs: &[u8], preimages: &[u8], deltas: &[u8]) -> Vec<u8> {
    let block = list(&[&id()[..], &[0x80, 0x80, 0x80]].concat());
    let mut encoder = Encoder::new();
    encoder.list(|e| {
        e.bytes(b"weir-trusted-state");
        e.uint(1);
        e.bytes(b"flow-localnet");
        e.raw(&block);
        e.raw(&block);
        e.raw(&id());
        e.uint(0);
        e.raw(epochs);
        e.raw(&list(&[preimages, deltas].concat()));
    });
    let mut bytes = encoder.finish();
    let checksum = sha3_256(&[&bytes]);
    bytes.extend(checksum.0);
    bytes
}

#[bounded::test]
fn trusted_states_take_four_times_their_bytes() {
    let empty = list(&[]);
    let epoch = list(&[&id()[..], &id(), &[0x80, 0x80], &empty].concat());
    let delta = list(&[&id()[..], &empty].concat());
    for len in SIZES {
        let states = [
            ("epochs", state(&many(&epoch, len), &empty, &empty)),
            ("empty lists for epochs", state(&many(&empty, len), &empty, &empty)),
            ("preimages", state(&empty, &many(&[0x01], len), &empty)),
            ("deltas", state(&empty, &empty, &many(&delta, len))),
        ];
        for (name, bytes) in states {
            let read = || TrustedState::from_bytes(&bytes);
            check(&format!("trusted state of {name}"), bytes.len(), read);
        }
    }
}

/// Small enough to be taken, and too large.
const SIZES: [usize; 4] = [16 << 10, 64 << 10, 512 << 10, 4 << 20];
