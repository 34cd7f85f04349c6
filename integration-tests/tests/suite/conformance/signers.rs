//! Who signed what: certificates that only the holders of the keys could make, and their lies.

use weir_conformance::Group;
use weir_devnet::keys::SecretKey;
use weir_protocol::bls::tag;
use weir_protocol::evidence::AnswerProof;
use weir_protocol::model::{EpochSetup, Header};
use weir_protocol::request::Depth;
use weir_protocol::request::Question;

use super::chain::{changed, snapshot};
use super::forge::{Certificate, EPOCH_VIEWS, Forge, key_counted};
use super::group::{Cases, Lie};

const RULE: &str = "Certificate";

pub(super) fn group(forge: &Forge) -> Group {
    let about = "A certificate holds for its block, view, domain, committee and quorum only.";
    let mut cases = Cases::new("signers", about);
    let signing = Signing::new(forge);
    signing.honest(&mut cases);
    signing.lists(&mut cases);
    signing.points(&mut cases);
    signing.messages(&mut cases);
    signing.shapes(&mut cases);
    committees(&mut cases, forge);
    cases.finish()
}

/// An honest answer whose last certificate can be signed anew.
struct Signing<'a> {
    forge: &'a Forge,
    question: Question,
    evidence: AnswerProof,
    setup: EpochSetup,
    last: Header,
}

impl<'a> Signing<'a> {
    fn new(forge: &'a Forge) -> Self {
        let question = snapshot(10);
        let evidence = forge.chain.evidence(&forge.chain.root, &question, Depth::Finality);
        let last = evidence.block.descendants.last().unwrap().clone();
        let setup = forge.state(10).setup;
        Self { forge, question, evidence, setup, last }
    }

    fn certificate(&self) -> Certificate {
        self.forge.certificate(&self.setup, &self.last)
    }

    fn with(&self, certificate: &Certificate) -> AnswerProof {
        changed(&self.evidence, |answer| answer.block.qc = Some(certificate.finish()))
    }

    fn honest(&self, cases: &mut Cases) {
        let root = &self.forge.chain.root;
        let task = cases.answer(root, &self.question, &self.with(&self.certificate()));
        cases.honest("whole-committee", "Every member signed.", task);
    }

    fn lie(
        &self,
        cases: &mut Cases,
        (name, what): (&str, &str),
        change: impl FnOnce(&mut Certificate),
    ) {
        let mut certificate = self.certificate();
        change(&mut certificate);
        let task = cases.answer(&self.forge.chain.root, &self.question, &self.with(&certificate));
        cases.lie((name, RULE, what), task);
    }

    /// A certificate that is as good as the honest one.
    fn accepted(
        &self,
        cases: &mut Cases,
        (name, what): (&str, &str),
        change: impl FnOnce(&mut Certificate),
    ) {
        let mut certificate = self.certificate();
        change(&mut certificate);
        let task = cases.answer(&self.forge.chain.root, &self.question, &self.with(&certificate));
        cases.accepted(name, what, task);
    }

    /// Lists of signers.
    fn lists(&self, cases: &mut Cases) {
        let epoch = self.forge.epoch(&self.setup);
        let members = epoch.committee.members.len();
        assert!(members < 8, "the list has padding");
        let signed_by = |count: usize| (0..members).map(|at| at < count).collect::<Vec<_>>();
        let resign = |certificate: &mut Certificate, signed: &[bool]| {
            let key = epoch.committee.signers_key(signed);
            certificate.indices = epoch.committee.signer_indices(signed);
            certificate.staking = key.sign(tag::CONSENSUS_VOTE, &certificate.message()).to_vec();
        };
        let what = "Too few signed.";
        self.lie(cases, ("no-quorum", what), |c| resign(c, &signed_by(2)));
        self.lie(cases, ("nobody", "Nobody signed."), |c| c.indices[4] = 0);
        let what = "A member that did not sign is listed.";
        self.lie(cases, ("signer-invented", what), |c| {
            resign(c, &signed_by(members - 1));
            c.indices = epoch.committee.signer_indices(&signed_by(members));
        });
        let what = "A member that signed is not listed.";
        self.lie(cases, ("signer-left-out", what), |c| {
            c.indices = epoch.committee.signer_indices(&signed_by(members - 1));
        });
        let what = "A member's signature is counted twice.";
        self.lie(cases, ("signer-twice", what), |c| {
            let mut times = vec![1; members];
            times[0] = 2;
            let key = key_counted(&epoch, &times);
            c.staking = key.sign(tag::CONSENSUS_VOTE, &c.message()).to_vec();
        });
        let what = "One member signs for all, as often as there are members.";
        self.lie(cases, ("one-signer-for-all", what), |c| {
            let mut times = vec![0; members];
            times[0] = members;
            let key = key_counted(&epoch, &times);
            c.staking = key.sign(tag::CONSENSUS_VOTE, &c.message()).to_vec();
        });
        let what = "A position behind the last member is set.";
        self.lie(cases, ("signer-outside-the-set", what), |c| c.indices[4] |= 1);
        let what = "The list has a byte more.";
        self.lie(cases, ("list-too-long", what), |c| c.indices.push(0));
        self.lie(cases, ("list-too-short", "The list ends early."), |c| _ = c.indices.pop());
        self.lie(cases, ("list-empty", "There is no list."), |c| c.indices.clear());
        let what = "The list is of another committee.";
        self.lie(cases, ("checksum-of-another-committee", what), |c| c.indices[0] ^= 1);
    }

    /// Points that are no signature.
    fn points(&self, cases: &mut Cases) {
        let mut identity = vec![0; 48];
        identity[0] = 0xc0;
        // (0, 2) is on the curve, of order 3.
        let mut small_order = vec![0; 48];
        small_order[0] = 0x80;
        let mut off_curve = vec![0; 48];
        (off_curve[0], off_curve[47]) = (0x80, 1);
        while blst::min_sig::Signature::uncompress(&off_curve).is_ok() {
            off_curve[47] += 1;
        }
        let uncompressed_flag = |point: &mut [u8]| point[0] &= 0x7f;
        let points = [
            ("identity", "The identity.", identity),
            ("wrong-subgroup", "A point of order 3.", small_order),
            ("off-the-curve", "No point of the curve.", off_curve),
            ("beyond-the-field", "A coordinate above the field.", vec![0x9f; 48]),
            ("too-short", "47 bytes.", vec![0x80; 47]),
            ("empty", "No bytes.", Vec::new()),
        ];
        for (name, what, point) in points {
            let staking = format!("staking-{name}");
            self.lie(cases, (&staking, what), |c| c.staking = point.clone());
            let beacon = format!("beacon-{name}");
            self.lie(cases, (&beacon, what), |c| c.beacon = point);
        }
        let what = "The flag of a compressed point is missing.";
        self.lie(cases, ("staking-uncompressed", what), |c| uncompressed_flag(&mut c.staking));
        let what = "The other root of the curve's equation.";
        self.lie(cases, ("staking-negated", what), |c| c.staking[0] ^= 0x20);
        self.lie(cases, ("beacon-negated", what), |c| c.beacon[0] ^= 0x20);
        let what = "Both signatures are swapped.";
        self.lie(cases, ("swapped", what), |c| std::mem::swap(&mut c.staking, &mut c.beacon));
    }

    /// Signatures of the right keys over something else.
    fn messages(&self, cases: &mut Cases) {
        let epoch = self.forge.epoch(&self.setup);
        let all = vec![true; epoch.committee.members.len()];
        let key = epoch.committee.signers_key(&all);
        let beacon = epoch.beacon_key;
        let sign = |key: &SecretKey, tag: &str, message: &[u8]| key.sign(tag, message).to_vec();
        for (name, tag) in [
            ("beacon", tag::RANDOM_BEACON),
            ("timeout", tag::CONSENSUS_TIMEOUT),
            ("collector", tag::COLLECTOR_VOTE),
            ("no", ""),
        ] {
            let name = format!("staking-in-{name}-domain");
            let what = "The members signed under another domain.";
            self.lie(cases, (&name, what), |c| c.staking = sign(&key, tag, &c.message()));
        }
        let what = "The beacon signed under another domain.";
        self.lie(cases, ("beacon-in-vote-domain", what), |c| {
            c.beacon = sign(&beacon, tag::CONSENSUS_VOTE, &c.message());
        });
        let other = |c: &Certificate, change: fn(&mut [u8; 40])| {
            let mut message = c.message();
            change(&mut message);
            message
        };
        let what = "The members signed another view.";
        self.lie(cases, ("staking-of-another-view", what), |c| {
            let message = other(c, |message| message[7] ^= 1);
            c.staking = sign(&key, tag::CONSENSUS_VOTE, &message);
        });
        let what = "The beacon signed another view.";
        self.lie(cases, ("beacon-of-another-view", what), |c| {
            let message = other(c, |message| message[7] ^= 1);
            c.beacon = sign(&beacon, tag::RANDOM_BEACON, &message);
        });
        let what = "The members signed another block.";
        self.lie(cases, ("staking-of-another-block", what), |c| {
            let message = other(c, |message| message[39] ^= 1);
            c.staking = sign(&key, tag::CONSENSUS_VOTE, &message);
        });
        let what = "A member's own key in place of the beacon's.";
        let member = epoch.committee.members[0].staking_key;
        self.lie(cases, ("beacon-of-a-member", what), |c| {
            c.beacon = sign(&member, tag::RANDOM_BEACON, &c.message());
        });
        let what = "Errors that cancel each other in a sum of both signatures.";
        self.lie(cases, ("errors-that-cancel", what), |c| {
            let message = c.message();
            let extra = SecretKey::derive(&self.last.parent_id);
            let point = |key: &SecretKey, tag: &str| key.sign_point(tag, &message);
            let noise = point(&extra, tag::CONSENSUS_VOTE);
            c.staking = point(&key, tag::CONSENSUS_VOTE).add(&noise).to_bytes().to_vec();
            let mut negated = noise.to_bytes();
            negated[0] ^= 0x20;
            c.beacon = sum(&c.beacon, &negated);
        });
    }

    fn shapes(&self, cases: &mut Cases) {
        let what = "A signer is said to have signed with its beacon key: nobody looks at that.";
        self.accepted(cases, ("beacon-signer", what), |c| c.types[0] = 0x80);
        let what = "A member that is no signer is said to have signed with its beacon key.";
        self.lie(cases, ("types-padded", what), |c| c.types[0] |= 1);
        let what = "Signature types have a byte more.";
        self.lie(cases, ("types-too-long", what), |c| c.types.push(0));
        self.lie(cases, ("types-missing", "There are no signature types."), |c| c.types.clear());
        let what = "An aggregated beacon signature, which nobody looks at.";
        self.accepted(cases, ("beacon-aggregate", what), |c| c.unread = vec![9; 500]);
        let what = "The beacon's signature in its place.";
        self.lie(cases, ("beacon-in-the-aggregates-place", what), |c| {
            c.unread = std::mem::take(&mut c.beacon);
        });
        let what = "A byte follows the signatures: nobody reads on.";
        self.accepted(cases, ("byte-after-the-signatures", what), |c| c.after = vec![0x80]);
        let what = "Ten thousand bytes follow the signatures.";
        self.accepted(cases, ("many-bytes-after-the-signatures", what), |c| {
            c.after = vec![0xff; 10_000];
        });
        let root = &self.forge.chain.root;
        let evidence = |change: fn(&mut Vec<u8>)| {
            changed(&self.evidence, |answer| {
                change(&mut answer.block.qc.as_mut().unwrap().sig_data)
            })
        };
        let before = evidence(|sig_data| sig_data.insert(0, 0x80));
        let task = cases.answer(root, &self.question, &before);
        cases.lie(("byte-before-the-signatures", RULE, "A byte before the signatures."), task);
        let longer = evidence(|sig_data| {
            assert_eq!(sig_data[0], 0xf8, "one byte of length");
            sig_data.splice(..1, [0xf9, 0]);
        });
        let task = cases.answer(root, &self.question, &longer);
        let what = "The length of the signatures has a leading zero.";
        cases.lie(("length-not-shortest", RULE, what), task);
        // Not the last certificate, but the one inside the last header.
        let evidence = changed(&self.evidence, |answer| {
            let descendants = &mut answer.block.descendants;
            assert_eq!(descendants.len(), 1);
            descendants[0].parent_voter_indices[4] = 0;
            let certificate = self.forge.certificate(&self.setup, &descendants[0]);
            answer.block.qc = Some(certificate.finish());
        });
        let task = cases.answer(root, &self.question, &evidence);
        let what = "The block's own certificate, inside its certified child, has no signers.";
        cases.lie(("inner-certificate", RULE, what), task);
    }
}

/// The sum of two compressed points.
fn sum(one: &[u8], other: &[u8]) -> Vec<u8> {
    use blst::min_sig::{AggregateSignature, Signature};
    let read = |bytes: &[u8]| Signature::uncompress(bytes).unwrap();
    let mut sum = AggregateSignature::from_signature(&read(one));
    sum.add_signature(&read(other), false).unwrap();
    sum.to_signature().compress().to_vec()
}

/// Committees of other epochs.
fn committees(cases: &mut Cases, forge: &Forge) {
    let trusted = forge.chain.walked(1);
    let height = EPOCH_VIEWS + 5;
    let question = snapshot(height);
    let state = forge.state(height);
    let setups =
        [forge.state(10).setup, state.setup.clone(), forge.state(2 * EPOCH_VIEWS + 1).setup];
    assert_ne!(setups[1].participants, setups[2].participants, "a node has joined");
    let mut honest = forge.chain.evidence(&trusted, &question, Depth::Finality);
    let block = |setup: &EpochSetup| forge.finalized(setup, &state.header, Some(state.roots));
    honest.block = block(&setups[1]);
    let task = cases.answer(&trusted, &question, &honest);
    cases.honest("committee-of-the-epoch", "Signed by the committee of its epoch.", task);
    let lies: [(Lie<'_>, &EpochSetup); 2] = [
        (("old-committee", RULE, "A new block signed by the old committee."), &setups[0]),
        (("later-committee", RULE, "A block signed by a later committee."), &setups[2]),
    ];
    for (lie, setup) in lies {
        let evidence = changed(&honest, |answer| answer.block = block(setup));
        let task = cases.answer(&trusted, &question, &evidence);
        cases.lie(lie, task);
    }
}
