//! Decoders of JSON and msgpack.

use weir_memory::check;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::{KvStore, ServiceEvent};

/// `item` again and again, `len` bytes, as a JSON list.
fn many(item: &str, len: usize) -> String {
    let items = vec![item; len / (item.len() + 1)];
    format!("[{}]", items.join(","))
}

fn setup(field: &str, list: &str) -> (&'static str, String) {
    ("setup", format!("{{\"{field}\":{list}}}"))
}

#[bounded::test]
fn service_events_take_four_times_their_bytes() {
    let len = 4 << 20;
    let commit = |field: &str, list: &str| ("commit", format!("{{\"{field}\":{list}}}"));
    let cases = [
        setup("Participants", &many("null", len)),
        setup("Participants", &many("{}", len)),
        setup("Participants", &many(r#"{"Role":"access"}"#, len)),
        setup("Assignments", &many("[]", len)),
        setup("Assignments", &many("null", len)),
        setup("Assignments", &format!("[{}]", many("null", len))),
        setup("RandomSource", &many("0", len)),
        commit("ClusterQCs", &many("{}", len)),
        commit("ClusterQCs", &many("null", len)),
        commit("ClusterQCs", &format!("[{{\"VoterIDs\":{}}}]", many("null", len))),
        commit("DKGParticipantKeys", &many("null", len)),
        ("version-beacon", format!("{{\"VersionBoundaries\":{}}}", many("{}", len))),
        ("version-beacon", format!("{{\"VersionBoundaries\":{}}}", many("null", len))),
        ("eject-node", many("[]", len)),
        ("eject-node", format!("{{\"Other\":{}}}", many("[]", len))),
    ];
    for (kind, json) in cases {
        let name = format!("{kind} {:.40}", json);
        check(&name, json.len(), || ServiceEvent::from_json(kind, json.as_bytes()).map(drop));
    }
}

#[bounded::test]
fn snapshots_take_four_times_their_bytes() {
    let len = 8 << 20;
    let block = |payload: String| {
        format!(r#"{{"SealingSegment":{{"Blocks":[{{"Block":{{"Payload":{{"Receipts":[{payload}]"#)
    };
    let cases = [
        block(format!(r#"{{"Spocks":{}"#, many("null", len))),
        block(format!(r#"{{"Spocks":{}"#, many(r#""""#, len))),
        format!(r#"{{"SealingSegment":{{"ExtraBlocks":{}"#, many("{}", len)),
        format!(
            r#"{{"QuorumCertificate":null,"SealedVersionBeacon":{{"VersionBoundaries":{}"#,
            many("null", len)
        ),
        format!(
            r#"{{"SealingSegment":{{"FirstSeal":{{"AggregatedApprovalSigs":{}"#,
            many(r#"{"VerifierSignatures":null,"SignerIDs":null}"#, len)
        ),
        format!(
            r#"{{"SealingSegment":{{"FirstSeal":{{"AggregatedApprovalSigs":[{{"SignerIDs":{}"#,
            many("null", len)
        ),
    ];
    for json in cases {
        let name = format!("snapshot {:.80}", json);
        check(&name, json.len(), || Snapshot::from_json(json.as_bytes()).map(drop));
    }
}

#[bounded::test]
fn msgpack_takes_four_times_its_bytes() {
    let text = |text: &str| [&[0xa0 | u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let mut bytes = vec![0x87];
    bytes.extend(
        [&text("VersionUpgrade")[..], &[0xc0], &text("EpochStateID"), &[0xc4, 32]].concat(),
    );
    bytes.extend([0; 32]);
    for name in ["EpochExtensionViewCount", "FinalizationSafetyThreshold"] {
        bytes.extend([&text(name)[..], &[0xcf], &[0; 8]].concat());
    }
    let open = [("ExecutionMeteringParameters", 0x82), ("CurrentValue", 0x83)];
    open.iter().for_each(|(name, map)| bytes.extend([&text(name)[..], &[*map]].concat()));
    bytes.extend([&text("ExecutionEffortWeights")[..], &[0xdf, 0xff, 0xff, 0xff, 0xff]].concat());
    let mut kind = 0u32;
    while bytes.len() < (1 << 20) - 14 {
        bytes.extend([&[0xce][..], &kind.to_be_bytes(), &[0xcf], &[0; 8]].concat());
        kind += 1;
    }
    check("msgpack", bytes.len(), || KvStore::from_msgpack(3, &bytes).map(drop));
}
