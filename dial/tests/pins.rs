//! Verdicts of flow-go on certificates, for a networking key that is known.
//!
//! `data/tls-vectors.json`: flow-go v0.46.0, `utils/grpcutils.DefaultClientTLSConfig(pin)`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use serde_json::Value;
use weir_dial::{NetworkKey, PinError};

fn vectors() -> Value {
    serde_json::from_str(include_str!("data/tls-vectors.json")).unwrap()
}

fn chain(vector: &Value) -> Vec<CertificateDer<'static>> {
    let certificates = vector["chain_der_hex"].as_array().cloned().unwrap_or_default();
    let read = |hex: Value| CertificateDer::from(hex::decode(hex.as_str().unwrap()).unwrap());
    certificates.into_iter().map(read).collect()
}

/// As TLS does, which ends without a certificate before anybody is asked.
fn check(vector: &Value, pin: &NetworkKey, now: u64) -> Result<(), PinError> {
    let chain = chain(vector);
    let (first, others) = chain.split_first().ok_or(PinError::NotACertificate)?;
    pin.check(first, others, UnixTime::since_unix_epoch(Duration::from_secs(now)))
}

#[bounded::test]
fn every_verdict_is_flow_gos() {
    let data = vectors();
    let now = data["checked_at_unix_s"].as_u64().unwrap();
    let vectors = data["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 22);
    for vector in vectors {
        let pin: NetworkKey = vector["pin_hex"].as_str().unwrap().parse().unwrap();
        let found = check(vector, &pin, now);
        let accepts = vector["flow_go_accepts"].as_bool().unwrap();
        assert_eq!(found.is_ok(), accepts, "{}: {found:?}", vector["name"]);
    }
}

#[bounded::test]
fn a_certificate_holds_from_its_first_second_to_its_last() {
    let data = vectors();
    let vectors = data["vectors"].as_array().unwrap();
    let fixed = vectors.iter().find(|vector| vector["name"] == "fixed dates 2026-2120, P-256");
    let fixed = fixed.unwrap();
    let pin = fixed["pin_hex"].as_str().unwrap().parse().unwrap();
    let Err(PinError::Time { from, to, .. }) = check(fixed, &pin, 0) else { panic!("it began") };
    let (from, to) = (from.try_into().unwrap(), u64::try_from(to).unwrap());
    for (now, holds) in [(from - 1, false), (from, true), (to, true), (to + 1, false)] {
        assert_eq!(check(fixed, &pin, now).is_ok(), holds, "{now}");
    }
}

#[bounded::test]
fn any_flipped_bit_of_the_key_extension_is_refused() {
    let data = vectors();
    let now = data["checked_at_unix_s"].as_u64().unwrap();
    let vector = &data["vectors"][0];
    let pin: NetworkKey = vector["pin_hex"].as_str().unwrap().parse().unwrap();
    let whole = chain(vector)[0].to_vec();
    let signed = b"\x08\x03\x12\x5b";
    let begin = whole.windows(4).position(|window| window == signed).unwrap();
    let holds = |certificate: Vec<u8>| {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        pin.check(&certificate.into(), &[], now).is_ok()
    };
    assert!(holds(whole.clone()));
    // The named key, and the signature behind it up to its second number.
    for bit in begin * 8..(begin + 95 + 36) * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!holds(flipped), "bit {bit}");
    }
}

#[bounded::test]
fn a_networking_key_is_a_point_of_64_bytes() {
    let data = vectors();
    let text = data["vectors"][0]["pin_hex"].as_str().unwrap();
    let key: NetworkKey = text.parse().unwrap();
    assert_eq!(key.to_string(), text);
    assert_eq!(format!("0x{text}").parse(), Ok(key));
    let mut other = text.to_owned();
    other.replace_range(..2, "00");
    for malformed in ["", "00", &text[2..], &format!("{text}00"), &other] {
        assert!(malformed.parse::<NetworkKey>().is_err(), "{malformed}");
    }
}
