//! The TLS certificate of an access node, which its networking key vouches for.
//!
//! As flow-go makes it at every start (flow-go `utils/grpcutils/grpc.go`, `X509Certificate`; go-libp2p
//! `p2p/security/tls/crypto.go`): for a new key, self-signed, with no name of a host; an extension has
//! the networking key and its signature over the new key.

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePublicKey as _;
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, KeyPair, PublicKeyData as _,
    date_time_ymd,
};
use thiserror::Error;
use weir_admission::Tls;
use weir_protocol::model::Identifier;

use crate::keys::network_secret;

/// TLS as the access node with this ID speaks it.
///
/// # Errors
/// When the system has no randomness.
pub fn tls(node_id: &Identifier) -> Result<Tls, CertificateError> {
    let key = KeyPair::generate()?;
    let secret = network_secret(node_id);
    let public = secret.public_key().to_public_key_der().map_err(|_| CertificateError::Encoding)?;
    let named = [NAMED_P256, public.as_bytes()].concat();
    let signed = [SIGNED_PREFIX, &key.subject_public_key_info()].concat();
    let signature: Signature = SigningKey::from(secret).sign(&signed);
    let fields = [der(OCTETS, &named), der(OCTETS, signature.to_der().as_bytes())].concat();
    let mut params = CertificateParams::default();
    params.custom_extensions =
        vec![CustomExtension::from_oid_content(KEY_EXTENSION, der(SEQUENCE, &fields))];
    params.distinguished_name = DistinguishedName::new();
    let serial_number = DnType::CustomDnType(SERIAL_NUMBER.to_vec());
    params.distinguished_name.push(serial_number, "1");
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1));
    let certificate = params.self_signed(&key)?;
    Ok(Tls::of_certificate(certificate.der().clone(), key.serialize_der())?)
}

/// A value of at most 255 bytes, with its type and length.
fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).unwrap_or_else(|_| unreachable!("keys are short"));
    let header = if length < 128 { vec![tag, length] } else { vec![tag, LONG_LENGTH, length] };
    [&header, value].concat()
}

/// There is no certificate.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// It cannot be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// It cannot be used.
    #[error("cannot use the certificate")]
    Tls(#[from] weir_admission::TlsError),
    /// A key cannot be written.
    #[error("cannot write a key")]
    Encoding,
}

const KEY_EXTENSION: &[u64] = &[1, 3, 6, 1, 4, 1, 53594, 1, 1];
const SERIAL_NUMBER: &[u64] = &[2, 5, 4, 5];
/// A key of type 3, ECDSA, of 91 bytes, as a message of libp2p.
const NAMED_P256: &[u8] = &[0x08, 3, 0x12, 91];
const SIGNED_PREFIX: &[u8] = b"libp2p-tls-handshake:";
const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
/// One byte of length follows.
const LONG_LENGTH: u8 = 0x81;
