//! BLS signatures made by flow-go's crypto library, on both backends.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use flate2::read::GzDecoder;
use serde_json::Value;
use std::io::Read as _;
use weir_protocol::bls::{
    Backend, Claim, Native, Portable, PublicKey, Signature, expand_message, verify, verify_batch,
};
use weir_protocol::codec::{entity_id, sha3_256};

#[bounded::test]
fn native_backend_agrees_with_every_record() {
    agrees_with_every_record::<Native>();
}

#[bounded::test]
fn portable_backend_agrees_with_every_record() {
    agrees_with_every_record::<Portable>();
}

fn agrees_with_every_record<B: Backend>() {
    let records = records("primitives/bls.jsonl.gz");
    assert_eq!(records.len(), 41);
    for record in records {
        let expected = record["valid"].as_bool().unwrap();
        assert_eq!(is_valid::<B>(&record), expected, "{record}");
    }
}

fn is_valid<B: Backend>(record: &Value) -> bool {
    let key: [u8; 96] = hex_field(record, "public_key").try_into().unwrap();
    let key = PublicKey::<B>::from_bytes(&key);
    let signature = Signature::<B>::from_bytes(&hex_field(record, "signature"));
    let (Ok(key), Ok(signature)) = (key, signature) else {
        return false;
    };
    let tag = record["tag"].as_str().unwrap();
    verify(&key, &signature, tag, &hex_field(record, "message"))
}

#[bounded::test]
fn batches_hold_exactly_when_all_claims_hold() {
    batch::<Native>();
    batch::<Portable>();
}

fn batch<B: Backend>() {
    let records = records("primitives/bls.jsonl.gz");
    let (valid, wrong): (Vec<_>, Vec<_>) =
        records.iter().partition(|record| record["valid"].as_bool().unwrap());
    let claims: Vec<_> = valid.iter().take(8).map(|record| claim::<B>(record)).collect();
    assert!(verify_batch(&claims));
    let wrong_message = wrong.iter().find(|record| record["kind"] == "wrong message").unwrap();
    for position in 0..claims.len() {
        let mut claims = claims.clone();
        claims[position] = claim::<B>(wrong_message);
        assert!(!verify_batch(&claims), "position {position}");
    }
}

/// Adding a point to one signature and taking it from another must not cancel out.
#[bounded::test]
fn batches_reject_swapped_signatures() {
    let records = records("primitives/bls.jsonl.gz");
    let mut claims: Vec<_> = records.iter().take(2).map(claim::<Native>).collect();
    let first = claims[0].signature.clone();
    claims[0].signature = claims[1].signature.clone();
    claims[1].signature = first;
    assert!(!verify_batch(&claims));
}

fn claim<B: Backend>(record: &Value) -> Claim<'_, B> {
    let key: [u8; 96] = hex_field(record, "public_key").try_into().unwrap();
    Claim {
        key: (entity_id(&key), PublicKey::from_bytes(&key).unwrap()),
        signature: Signature::from_bytes(&hex_field(record, "signature")).unwrap(),
        tag: record["tag"].as_str().unwrap(),
        message: hex_field(record, "message"),
    }
}

#[bounded::test]
fn products_with_the_order_of_the_group_are_the_identity() {
    products::<Native>();
    products::<Portable>();
}

fn products<B: Backend>() {
    let is_identity =
        |products: &[(B::G1, u128)]| B::pairing_holds(&B::g1_sum_of_products(products), &[]);
    let point = B::hash_to_g1("tag", b"point");
    let half = B::g1_sum_of_products(&[(point.clone(), 1 << 127)]);
    let high = B::g1_sum_of_products(&[(half.clone(), 2)]);
    let (order_high, order_low) =
        (0x73ed_a753_299d_7d48_3339_d808_09a1_d805, 0x53bd_a402_fffe_5bfe_ffff_ffff_0000_0001);
    // A factor of one is added without a multiplication.
    let low = [(point.clone(), order_low - 1), (point.clone(), 1)];
    let order = [&low[..], &[(high.clone(), order_high)]].concat();
    assert!(is_identity(&order));
    assert!(!is_identity(&order[1..]), "without the first");
    assert!(!is_identity(&[&order[..], &low[1..]].concat()), "one too many");
    let ones = [(point.clone(), 1), (point.clone(), order_low - 2), (point, 1)];
    assert!(is_identity(&[&ones[..], &order[2..]].concat()), "two ones");
    assert!(is_identity(&[]));
}

/// Many keys are added in another way than two, equal and opposite ones and the identity among them.
#[bounded::test]
fn sums_of_many_keys_are_those_of_two_at_a_time() {
    sums::<Native>();
    sums::<Portable>();
}

fn sums<B: Backend>() {
    let mut identity = [0; 96];
    identity[0] = 0b1100_0000;
    let records = records("primitives/bls.jsonl.gz");
    let valid = records.iter().filter(|record| record["valid"].as_bool().unwrap());
    let mut keys: Vec<_> = valid.take(8).map(|record| claim::<B>(record).key.1).collect();
    keys.push(public_key::<B>(&identity));
    let plus: Vec<_> = keys.iter().cycle().take(41).collect();
    let minus: Vec<_> = keys.iter().rev().cycle().take(20).collect();
    let one_by_one = |plus: &[&PublicKey<B>], minus: &[&PublicKey<B>]| {
        let sum =
            plus.iter().fold(public_key(&identity), |sum, key| PublicKey::sum(&[&sum, key], &[]));
        minus.iter().fold(sum, |sum, key| PublicKey::sum(&[&sum], &[key]))
    };
    for (plus, minus) in [(&plus[..], &minus[..]), (&plus[..16], &[]), (&[], &minus[..17])] {
        let (sum, expected) = (PublicKey::sum(plus, minus), one_by_one(plus, minus));
        assert!(PublicKey::sum(&[&sum], &[&expected]).is_identity());
        assert!(!PublicKey::sum(&[&sum], &[&expected, &keys[0]]).is_identity());
    }
    assert!(PublicKey::sum(&plus, &plus).is_identity());
    assert!(!PublicKey::sum(&plus, &plus[1..]).is_identity());
}

#[bounded::test]
fn hashes_agree() {
    for record in records("primitives/hashes.jsonl.gz") {
        let message = hex_field(&record, "message");
        assert_eq!(sha3_256(&[&message]).to_hex(), record["sha3_256"].as_str().unwrap());
        let expanded = expand_message_of(&record, &message);
        assert_eq!(hex::encode(expanded), record["kmac128_vote_tag"].as_str().unwrap());
    }
}

fn expand_message_of(record: &Value, message: &[u8]) -> [u8; 128] {
    expand_message(record["tag"].as_str().unwrap(), message)
}

#[bounded::test]
fn signatures_of_the_2022_mainnet_root_verify() {
    mainnet_root::<Native>();
    mainnet_root::<Portable>();
}

/// 83 consensus nodes, the random beacon and three clusters signed the root of mainnet18.
fn mainnet_root<B: Backend>() {
    let path = vectors().join("real/mainnet-root-2022/derived-qc-vectors.json");
    let root: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let message = hex_field(&root, "vote_message_v0_26");
    let signers: Vec<_> =
        root["signers"].as_array().unwrap().iter().map(|s| hex_field(s, "staking_key")).collect();
    assert_eq!(signers.len(), 83);
    let check = |keys: &[Vec<u8>], signature: &[u8], tag: &str, message: &[u8]| {
        let tag = tag.strip_suffix(SUITE).unwrap();
        let keys: Vec<_> = keys.iter().map(|key| public_key::<B>(key)).collect();
        let sum = PublicKey::sum(&keys.iter().collect::<Vec<_>>(), &[]);
        verify(&sum, &Signature::from_bytes(signature).unwrap(), tag, message)
    };
    let staking = hex_field(&root, "aggregated_staking_sig");
    let tag = root["consensus_tag"].as_str().unwrap();
    assert!(check(&signers, &staking, tag, &message));
    assert!(!check(&signers[1..], &staking, tag, &message), "one signer less");
    let group_key = [hex_field(&root, "dkg_group_key")];
    let beacon = hex_field(&root, "reconstructed_beacon_sig");
    assert!(check(&group_key, &beacon, root["beacon_tag"].as_str().unwrap(), &message));
    assert!(!check(&group_key, &beacon, tag, &message), "wrong domain");
    let clusters = root["clusters"].as_array().unwrap();
    assert_eq!(clusters.len(), 3);
    for cluster in clusters {
        let keys = cluster["signer_keys"].as_array().unwrap();
        let keys: Vec<_> =
            keys.iter().map(|key| hex::decode(key.as_str().unwrap()).unwrap()).collect();
        let tag = root["cluster_tag"].as_str().unwrap();
        let (signature, message) =
            (hex_field(cluster, "sig"), hex_field(cluster, "vote_message_v0_26"));
        assert!(check(&keys, &signature, tag, &message));
        assert!(!check(&keys[1..], &signature, tag, &message));
    }
}

fn public_key<B: Backend>(bytes: &[u8]) -> PublicKey<B> {
    PublicKey::from_bytes(bytes.try_into().unwrap()).unwrap()
}

fn hex_field(record: &Value, name: &str) -> Vec<u8> {
    hex::decode(record[name].as_str().unwrap()).unwrap()
}

fn records(file: &str) -> Vec<Value> {
    let mut text = String::new();
    let file = std::fs::File::open(vectors().join(file)).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn vectors() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../integration-tests/vectors")
}

const SUITE: &str = "BLS_SIG_BLS12381G1_XOF:KMAC128_SSWU_RO_POP_";
