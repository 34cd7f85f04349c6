//! What a client keeps: the bytes of a trusted state, and evidence saved to a file.

use weir_conformance::Group;
use weir_protocol::codec::rlp::{Decoder, Encoder};
use weir_protocol::codec::sha3_256;
use weir_protocol::evidence::{Bundle, EvidenceFile, HopsPage};
use weir_protocol::model::Identifier;
use weir_protocol::request::Depth;
use weir_protocol::request::Topic;

use super::chain::{Chain, about};
use super::group::Cases;
use super::rlp::{bytes, edit, items, list, uint};

pub(super) fn group(chain: &Chain) -> Group {
    let about = "Bytes that a client kept itself are read as they were written, or not at all.";
    let mut cases = Cases::new("states", about);
    damage(&mut cases, chain);
    parts(&mut cases, chain);
    files(&mut cases, chain);
    cases.finish()
}

/// The content with the right checksum.
fn sealed(content: &[u8]) -> Vec<u8> {
    [content, &sha3_256(&[content]).0].concat()
}

fn damage(cases: &mut Cases, chain: &Chain) {
    let honest = chain.walked(3).to_bytes();
    let task = cases.trusted_state(&honest);
    cases.honest("honest", "A state after three hops.", task);
    let mut lie = |name, rule, what, bytes: &[u8]| {
        let task = cases.trusted_state(bytes);
        cases.lie((name, rule, what), task);
    };
    let content = &honest[..honest.len() - 32];
    lie("empty", "NotTrustedState", "No bytes at all.", &[]);
    lie("evidence", "NotTrustedState", "Evidence.", &sealed(&HopsPage::default().to_bytes()));
    let magic = edit(content, &[0], |_| bytes(b"weir-trusted-stats"));
    lie("another-magic", "NotTrustedState", "Another magic word.", &sealed(&magic));
    lie("cut-short", "NotTrustedState", "The last byte is missing.", &honest[..honest.len() - 1]);
    let more = [&honest[..], &[0]].concat();
    lie("byte-after-the-end", "Checksum", "A byte follows.", &more);
    let version = edit(content, &[1], |_| uint(2));
    lie("newer-version", "Version", "Version 2.", &sealed(&version));
    let mut flipped = honest.clone();
    flipped[100] ^= 1;
    lie("flipped-bit", "Checksum", "A bit is flipped.", &flipped);
    let mut checksum = honest.clone();
    *checksum.last_mut().unwrap() ^= 1;
    lie("flipped-checksum", "Checksum", "A bit of the checksum is flipped.", &checksum);
    let padded = edit(content, &[3, 1], |_| bytes(&[0, 3, 0xe8]));
    lie("number-padded", "Malformed", "A number begins with a zero.", &sealed(&padded));
    let long = [&[0xfb, 0xff, 0xff, 0xff, 0xff], &content[3..]].concat();
    lie("length-of-four-gib", "NotTrustedState", "A list of 4 GiB.", &sealed(&long));
}

fn parts(cases: &mut Cases, chain: &Chain) {
    const RULE: &str = "Inconsistent";
    let trusted = chain.walked(3);
    let honest = trusted.to_bytes();
    let task = cases.trusted_state(&honest);
    cases.honest("parts", "A state whose parts fit together.", task);
    let content = honest[..honest.len() - 32].to_vec();
    let mut lie = |name, rule, what, path: &[usize], change: &dyn Fn(&[u8]) -> Vec<u8>| {
        let task = cases.trusted_state(&sealed(&edit(&content, path, change)));
        cases.lie((name, rule, what), task);
    };
    lie("head-before-checkpoint", RULE, "The head is lower than the checkpoint.", &[4, 1], &|_| {
        uint(1)
    });
    lie("head-of-an-earlier-view", RULE, "The head is of an earlier view.", &[4, 2], &|_| uint(1));
    lie("counter-late", RULE, "Epochs are numbered one too high.", &[6], &|_| uint(8));
    lie("counter-overflows", "Malformed", "Numbers of epochs overflow.", &[6], &|_| uint(u64::MAX));
    lie("no-epochs", RULE, "There are no epochs.", &[7], &|_| list(&[]));
    lie("epoch-left-out", RULE, "An epoch is left out.", &[7], &|epochs| {
        let mut epochs = items(epochs);
        epochs.remove(1);
        list(&epochs)
    });
    lie("newest-left-out", RULE, "The newest epoch is left out.", &[7], &|epochs| {
        let mut epochs = items(epochs);
        epochs.pop();
        list(&epochs)
    });
    lie("boundary-left-out", RULE, "Nothing proves the second epoch.", &[7, 0, 4], &|_| list(&[]));
    lie("epochs-overlap", RULE, "An epoch begins before the last one ends.", &[7, 1, 2], &|_| {
        uint(5100)
    });
    lie(
        "another-setup",
        "Committee",
        "The newest epoch has a setup nobody has.",
        &[7, 3, 0],
        &|_| bytes(&[7; 32]),
    );
    let what = "A preimage that nothing needs.";
    let add = |bundle: &mut Bundle| _ = bundle.preimages.insert(b"nothing needs this".to_vec());
    lie("preimage-without-use", RULE, what, &[8], &|bundle| with(bundle, add));
    let what = "Every preimage is written out.";
    let expand = |bundle: &mut Bundle| *bundle = Bundle::whole(bundle.expand(&[]).unwrap());
    lie("preimages-whole", RULE, what, &[8], &|bundle| with(bundle, expand));
    let what = "The deltas come in another order.";
    let reverse = |bundle: &mut Bundle| bundle.deltas.reverse();
    assert!(trusted.preimages().len() > 4);
    lie("deltas-reversed", RULE, what, &[8], &|bundle| with(bundle, reverse));
    let what = "The deltas are left out.";
    let clear = |bundle: &mut Bundle| bundle.deltas.clear();
    lie("deltas-left-out", "Committee", what, &[8], &|bundle| with(bundle, clear));
}

/// The same bundle with something changed.
fn with(encoded: &[u8], change: impl FnOnce(&mut Bundle)) -> Vec<u8> {
    let mut bundle = Decoder::new(encoded).list(Bundle::decode).unwrap();
    change(&mut bundle);
    let mut encoder = Encoder::new();
    encoder.list(|e| bundle.encode(e));
    encoder.finish()
}

/// Checkpoint, hops and answer in one.
fn files(cases: &mut Cases, chain: &Chain) {
    let question = about(1040, Topic::Snapshot);
    let checkpoint = chain.server.prover.checkpoint(chain.server.root_id).unwrap();
    let hops = chain.whole_hops(7, 3);
    let answer = chain.whole(&question, Depth::Seal);
    let file = EvidenceFile::new(checkpoint.clone(), hops.hops.clone(), answer.clone());
    let root_id = chain.server.root_id;
    let task = cases.file(root_id, &file.to_bytes());
    cases.honest("file", "Checkpoint, three hops, and an answer.", task);
    let mut lie = |name, rule, what, id, change: &dyn Fn(&mut EvidenceFile)| {
        let mut evidence = file.clone();
        change(&mut evidence);
        let task = cases.file(id, &evidence.to_bytes());
        cases.lie((name, rule, what), task);
    };
    let other = Identifier([7; 32]);
    lie("another-checkpoint", "CheckpointId", "Another checkpoint.", other, &|_| ());
    lie("no-hops", "LaterEpoch", "The hops are left out.", root_id, &|file| file.hops.clear());
    lie("hop-left-out", "EpochOrder", "A hop is left out.", root_id, &|file| {
        _ = file.hops.remove(0);
    });
    let others = [
        ("checkpoint-alone", "A checkpoint alone.", checkpoint.to_bytes()),
        ("hops-alone", "Hops alone.", hops.to_bytes()),
        ("answer-alone", "An answer alone.", answer.to_bytes()),
        ("no-file", "An empty file.", Vec::new()),
    ];
    for (name, what, bytes) in others {
        let task = cases.file(root_id, &bytes);
        cases.lie((name, "Evidence", what), task);
    }
}
