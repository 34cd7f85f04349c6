//! Bytes that are not evidence, or not the one encoding of it.

use weir_conformance::Group;
use weir_protocol::model::{Identifier, Role};
use weir_protocol::request::Depth;
use weir_protocol::request::{IdentityFilter, Topic};

use super::chain::{Chain, about};
use super::group::Cases;
use super::rlp::{bytes, edit, items, list, uint};

const EVIDENCE: &str = "Evidence";

pub(super) fn group(chain: &Chain) -> Group {
    let mut cases =
        Cases::new("format", "Evidence has one encoding; no length is believed before its bytes.");
    envelope(&mut cases, chain);
    lengths(&mut cases, chain);
    fields(&mut cases, chain);
    sets(&mut cases, chain);
    cases.finish()
}

fn envelope(cases: &mut Cases, chain: &Chain) {
    let question = about(1010, Topic::Snapshot);
    let honest = chain.whole(&question, Depth::Seal).to_bytes();
    let task = cases.answer_bytes(&chain.root, &question, &honest);
    cases.honest("honest", "An answer that needs nothing held.", task);
    let mut lie = |name, what, bytes: Vec<u8>| {
        let task = cases.answer_bytes(&chain.root, &question, &bytes);
        cases.lie((name, EVIDENCE, what), task);
    };
    lie("empty-answer", "No bytes at all.", Vec::new());
    lie("one-byte", "A single byte.", vec![0]);
    lie("empty-list", "An empty list.", vec![0xc0]);
    lie("text", "Something else altogether.", b"hello".to_vec());
    let magic = |_: &[u8]| bytes(b"weir-evidencf");
    lie("another-magic", "Another magic word.", edit(&honest, &[0], magic));
    lie("older-version", "Version 1.", edit(&honest, &[1], |_| uint(1)));
    lie("newer-version", "Version 3.", edit(&honest, &[1], |_| uint(3)));
    lie("byte-after-the-end", "A byte follows.", [&honest[..], b"\x80"].concat());
    lie("cut-short", "The last byte is missing.", honest[..honest.len() - 1].to_vec());
    let more = |evidence: &[u8]| list(&[items(evidence), vec![uint(0)]].concat());
    lie("item-after-the-last", "The outer list has one item more.", more(&honest));
    let fewer = |evidence: &[u8]| list(&items(evidence)[..5]);
    lie("item-missing", "The outer list ends early.", fewer(&honest));
}

/// Two encodings of one value, and lengths far above the body.
fn lengths(cases: &mut Cases, chain: &Chain) {
    let question = about(1010, Topic::Snapshot);
    let honest = chain.whole(&question, Depth::Seal).to_bytes();
    let mut lie = |name, what, bytes: Vec<u8>| {
        let task = cases.answer_bytes(&chain.root, &question, &bytes);
        cases.lie((name, EVIDENCE, what), task);
    };
    // The header of a long list, and the length's length.
    assert_eq!(honest[0], 0xf9);
    let outer = |header: &[u8]| [header, &honest[3..]].concat();
    let padded = outer(&[0xfa, 0, honest[1], honest[2]]);
    lie("length-with-leading-zero", "The outer length begins with a zero.", padded);
    let four_gib = outer(&[0xfb, 0xff, 0xff, 0xff, 0xff]);
    lie("length-of-four-gib", "The outer list is said to have 4 GiB.", four_gib);
    let beyond = outer(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    lie("length-of-64-bits", "The outer list is said to have 2^64 - 1 bytes.", beyond);
    let inner = |item: &[u8]| [&[0xfb, 0x7f, 0xff, 0xff, 0xff], &item[3..]].concat();
    let inner = edit(&honest, &[6], inner);
    lie("preimages-of-two-gib", "The preimages are said to have 2 GiB.", inner);
    let number = edit(&honest, &[1], |_| vec![0x81, 2]);
    lie("small-number-in-two-bytes", "The version is not in its shortest form.", number);
    let zero = edit(&honest, &[4], |_| vec![0]);
    lie("zero-as-a-byte", "False is written as a byte of zero.", zero);
    let two = edit(&honest, &[4], |_| uint(2));
    lie("boolean-of-two", "A boolean is two.", two);
    let height = edit(&honest, &[5, 1, 0, 2], |_| bytes(&[0, 3, 0xf2]));
    lie("height-with-leading-zero", "A number begins with a zero.", height);
    let height = edit(&honest, &[5, 1, 0, 2], |_| bytes(&[1; 9]));
    lie("height-of-72-bits", "A number has nine bytes.", height);
}

fn fields(cases: &mut Cases, chain: &Chain) {
    let question = about(1010, Topic::Snapshot);
    let honest = chain.whole(&question, Depth::Seal).to_bytes();
    let mut lie = |name, what, bytes: Vec<u8>| {
        let task = cases.answer_bytes(&chain.root, &question, &bytes);
        cases.lie((name, EVIDENCE, what), task);
    };
    let longer = |header: &[u8]| list(&[items(header), vec![uint(0)]].concat());
    lie("header-of-twelve", "A header has a field more.", edit(&honest, &[5, 1, 0], longer));
    let short = edit(&honest, &[5, 1, 0, 1], |_| bytes(&[7; 31]));
    lie("id-of-31-bytes", "An ID has 31 bytes.", short);
    let binary = edit(&honest, &[5, 1, 0, 0], |_| bytes(b"flow-\xff"));
    lie("text-not-utf-8", "The chain ID is not UTF-8.", binary);
    let nested = edit(&honest, &[5, 1, 0, 3], |hash| list(&[hash.to_vec()]));
    lie("list-for-bytes", "A payload hash is a list.", nested);
    let flat = edit(&honest, &[5, 1, 2], |_| bytes(b"none"));
    lie("bytes-for-list", "The descendants are a byte string.", flat);
    let selector = edit(&honest, &[5, 0, 0, 0], |_| uint(4));
    lie("unknown-selector", "There is no fifth way to select a block.", selector);
    let topic = edit(&honest, &[5, 0, 1, 0], |_| uint(6));
    lie("unknown-topic", "There is no seventh topic.", topic);
    let roots = |roots: &[u8]| list(&items(roots)[..4]);
    lie("four-roots", "A payload has four roots.", edit(&honest, &[5, 1, 1], roots));
    let mut reversed = items(&items(&honest)[6]);
    reversed.reverse();
    assert!(reversed.len() > 1);
    let unsorted = edit(&honest, &[6], |_| list(&reversed));
    lie("preimages-out-of-order", "Preimages come by descending ID.", unsorted);
    let twice = |preimages: &[u8]| {
        let mut twice = items(preimages);
        twice.insert(0, twice[0].clone());
        list(&twice)
    };
    lie("preimage-twice", "A preimage comes twice.", edit(&honest, &[6], twice));
    let id = [7; 32];
    let empty = edit(&honest, &[7], |_| list(&[list(&[bytes(&id), list(&[bytes(&[])])])]));
    lie("empty-piece-of-a-delta", "A delta has a piece of no bytes.", empty);
    let copy = list(&[uint(5), uint(0)]);
    let empty = edit(&honest, &[7], |_| list(&[list(&[bytes(&id), list(&[copy])])]));
    lie("empty-copy-of-a-delta", "A delta copies no bytes.", empty);
    let many: Vec<_> = (0..1025).map(|_| list(&[bytes(&id), list(&[])])).collect();
    let many = edit(&honest, &[7], |_| list(&many));
    lie("too-many-deltas", "A bundle has 1,025 deltas.", many);
}

/// Filters are ascending sets.
fn sets(cases: &mut Cases, chain: &Chain) {
    let filter = IdentityFilter {
        roles: [Role::Collection, Role::Consensus].into(),
        node_ids: [Identifier([1; 32]), Identifier([2; 32])].into(),
        ..IdentityFilter::default()
    };
    let question = about(1010, Topic::Identities(filter));
    let honest = chain.whole(&question, Depth::Seal).to_bytes();
    let task = cases.answer_bytes(&chain.root, &question, &honest);
    cases.honest("honest-filter", "An answer through a filter that no node passes.", task);
    let mut lie = |name, what, path: &[usize], item: Vec<u8>| {
        let task = cases.answer_bytes(&chain.root, &question, &edit(&honest, path, |_| item));
        cases.lie((name, EVIDENCE, what), task);
    };
    let roles = |roles: &[u64]| list(&roles.iter().map(|role| uint(*role)).collect::<Vec<_>>());
    let ids = |ids: &[u8]| list(&ids.iter().map(|id| bytes(&[*id; 32])).collect::<Vec<_>>());
    lie("roles-descending", "A set is not ascending.", &[5, 0, 1, 1], roles(&[2, 1]));
    lie("role-twice", "A set has a role twice.", &[5, 0, 1, 1], roles(&[1, 1]));
    lie("role-six", "There is no role 6.", &[5, 0, 1, 1], roles(&[6]));
    lie("status-five", "There is no status 5.", &[5, 0, 1, 2], roles(&[5]));
    lie("node-twice", "A set has a node twice.", &[5, 0, 1, 3], ids(&[1, 1]));
}
