//! The certificate of an access node, which its networking key vouches for.
//!
//! An access node's TLS certificate names no host and no authority. It is a libp2p certificate: an
//! extension has the node's networking key, and that key's signature over the key of the certificate
//! (flow-go `utils/grpcutils`, go-libp2p `p2p/security/tls`). Whoever knows the networking key from the
//! identity table knows the node.

use std::fmt;
use std::str::FromStr;

use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::DecodePublicKey as _;
use p256::pkcs8::der::asn1::{AnyRef, OctetStringRef};
use p256::pkcs8::der::{Decode as _, SliceReader, Tag, Tagged as _};
use prost::Message;
use rustls::pki_types::{CertificateDer, UnixTime};
use thiserror::Error;
use x509_parser::asn1_rs::{FromDer as _, Oid, oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

/// A networking key of the identity table: 64 bytes, x and y of a point of P-256, or of secp256k1.
#[derive(Clone, PartialEq, Eq)]
pub struct NetworkKey(Key);

#[derive(Clone, PartialEq, Eq)]
enum Key {
    P256(p256::PublicKey),
    Secp256k1(k256::PublicKey),
}

impl NetworkKey {
    /// Reads the 64 bytes of the identity table.
    ///
    /// # Errors
    /// When they are no point of either curve.
    pub fn from_bytes(bytes: &[u8; 64]) -> Result<Self, NetworkKeyError> {
        let point = [&[UNCOMPRESSED], &bytes[..]].concat();
        // A point of both curves would be one in 2^256.
        let key = p256::PublicKey::from_sec1_bytes(&point).map(Key::P256);
        let key = key.or_else(|_| k256::PublicKey::from_sec1_bytes(&point).map(Key::Secp256k1));
        key.map(Self).map_err(|_| NetworkKeyError)
    }

    /// Checks that a certificate is valid now and that this key vouches for it, as flow-go does, which
    /// does not look at the certificate's own signature either (flow-go `utils/grpcutils/grpc.go`,
    /// `DefaultClientTLSConfig`).
    ///
    /// # Errors
    /// The first check that fails.
    pub fn check(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), PinError> {
        let certificate = read(certificate)?;
        if !others.is_empty() {
            return Err(PinError::Chain);
        }
        let extensions = certificate.extensions();
        let mut found = extensions.iter().filter(|extension| extension.oid == KEY_EXTENSION);
        let extension = found.next().ok_or(PinError::NoKey)?;
        check_use(&certificate, now)?;
        let SignedKey { public_key, signature } =
            SignedKey::read(extension.value).ok_or(PinError::Malformed)?;
        let vouches = NamedKey::decode(public_key).ok().and_then(|key| NetworkKey::named(&key));
        let vouches = vouches.ok_or(PinError::Malformed)?;
        let signed = [SIGNED_PREFIX, certificate.public_key().raw].concat();
        if !vouches.signed(&signed, signature) {
            return Err(PinError::Signature);
        }
        if vouches == *self { Ok(()) } else { Err(PinError::OtherKey { found: vouches }) }
    }

    fn named(key: &NamedKey) -> Option<Self> {
        match key.algorithm {
            ECDSA => p256::PublicKey::from_public_key_der(&key.data).ok().map(Key::P256),
            SECP256K1 => k256::PublicKey::from_sec1_bytes(&key.data).ok().map(Key::Secp256k1),
            _ => None,
        }
        .map(Self)
    }

    /// Whether a DER signature of this key over the SHA-256 of a message is one.
    fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Key::P256(key) => p256::ecdsa::Signature::from_der(signature).is_ok_and(|signature| {
                p256::ecdsa::VerifyingKey::from(key).verify(message, &signature).is_ok()
            }),
            Key::Secp256k1(key) => {
                k256::ecdsa::Signature::from_der(signature).is_ok_and(|signature| {
                    // Either of the two forms holds for flow-go.
                    let signature = signature.normalize_s().unwrap_or(signature);
                    k256::ecdsa::VerifyingKey::from(key).verify(message, &signature).is_ok()
                })
            }
        }
    }

    fn point(&self) -> Vec<u8> {
        use p256::elliptic_curve::sec1::ToEncodedPoint as _;
        let point = match &self.0 {
            Key::P256(key) => key.to_encoded_point(false).as_bytes().to_vec(),
            Key::Secp256k1(key) => key.to_encoded_point(false).as_bytes().to_vec(),
        };
        point[1..].to_vec()
    }
}

impl FromStr for NetworkKey {
    type Err = NetworkKeyError;

    /// Reads 128 hexadecimal digits, with or without 0x.
    fn from_str(text: &str) -> Result<Self, NetworkKeyError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let bytes = hex::decode(digits).ok().and_then(|bytes| bytes.try_into().ok());
        Self::from_bytes(&bytes.ok_or(NetworkKeyError)?)
    }
}

impl fmt::Display for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.point()))
    }
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetworkKey({self})")
    }
}

/// Reads a certificate that has each extension once.
pub(crate) fn read<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Result<X509Certificate<'a>, PinError> {
    let (rest, read) =
        X509Certificate::from_der(certificate).map_err(|_| PinError::NotACertificate)?;
    let once = read.tbs_certificate.extensions_map().is_ok();
    if once && rest.is_empty() { Ok(read) } else { Err(PinError::NotACertificate) }
}

/// Checks when and for what a certificate may be used (Go `crypto/x509`, `Certificate.Verify`).
fn check_use(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), PinError> {
    for extension in certificate.extensions() {
        let known = extension.oid == KEY_EXTENSION || UNDERSTOOD.contains(&extension.oid);
        if extension.critical && !known {
            return Err(PinError::Critical { extension: extension.oid.to_id_string() });
        }
        if let ParsedExtension::ExtendedKeyUsage(usage) = extension.parsed_extension()
            && !usage.server_auth
            && !usage.any
        {
            return Err(PinError::Usage);
        }
    }
    let validity = certificate.validity();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    if (from..=to).contains(&now) { Ok(()) } else { Err(PinError::Time { from, to, now }) }
}

/// The value of the extension: a sequence of two octet strings. What comes after them is left alone, as
/// by flow-go.
struct SignedKey<'a> {
    public_key: &'a [u8],
    signature: &'a [u8],
}

impl<'a> SignedKey<'a> {
    fn read(value: &'a [u8]) -> Option<Self> {
        let sequence = AnyRef::decode(&mut SliceReader::new(value).ok()?).ok()?;
        if sequence.tag() != Tag::Sequence {
            return None;
        }
        let mut fields = SliceReader::new(sequence.value()).ok()?;
        let mut octets = || OctetStringRef::decode(&mut fields).ok();
        let (public_key, signature) = (octets()?.as_bytes(), octets()?.as_bytes());
        Some(Self { public_key, signature })
    }
}

/// A key, and of what algorithm, as libp2p writes both.
#[derive(Clone, PartialEq, Message)]
struct NamedKey {
    #[prost(int32, required, tag = "1")]
    algorithm: i32,
    #[prost(bytes = "vec", required, tag = "2")]
    data: Vec<u8>,
}

/// The text is no networking key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a networking key is 128 hexadecimal digits, x and y of a point of P-256 or secp256k1")]
pub struct NetworkKeyError;

/// Why a certificate is not that of an access node.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PinError {
    /// It cannot be read, or has an extension twice.
    #[error("what the node shows is not a certificate")]
    NotACertificate,
    /// There are others with it.
    #[error("the node shows more than one certificate, and an access node has one")]
    Chain,
    /// It has no key extension.
    #[error("its certificate has no networking key; is it an access node's TLS port?")]
    NoKey,
    /// An extension is critical, and unknown.
    #[error("its certificate has a critical extension that is not understood, {extension}")]
    Critical {
        /// Its object identifier.
        extension: String,
    },
    /// It may not be used by a server.
    #[error("its certificate is not one for servers")]
    Usage,
    /// Its time is over, or has not begun.
    #[error(
        "its certificate holds from {from} to {to}, and it is {now} (Unix seconds); is the clock right?"
    )]
    Time {
        /// When it begins, Unix seconds.
        from: i64,
        /// When it ends.
        to: i64,
        /// What the clock says.
        now: i64,
    },
    /// The key extension cannot be read.
    #[error("the networking key in its certificate cannot be read")]
    Malformed,
    /// The key that the extension has did not sign the certificate's key.
    #[error("the networking key in its certificate did not sign it")]
    Signature,
    /// The key is another.
    #[error("it is another node: its networking key is {found}")]
    OtherKey {
        /// The key that vouches for the certificate.
        found: NetworkKey,
    },
}

const KEY_EXTENSION: Oid<'static> = oid!(1.3.6.1.4.1.53594.1.1);
const SIGNED_PREFIX: &[u8] = b"libp2p-tls-handshake:";
/// Extensions that Go reads, so that they may be critical: key usage, subject alternative name, basic
/// constraints, name constraints, policies, extended key usage.
const UNDERSTOOD: &[Oid<'static>] = &[
    oid!(2.5.29.15),
    oid!(2.5.29.17),
    oid!(2.5.29.19),
    oid!(2.5.29.30),
    oid!(2.5.29.32),
    oid!(2.5.29.37),
];
const SECP256K1: i32 = 2;
const ECDSA: i32 = 3;
/// The first byte of a point that both coordinates follow.
const UNCOMPRESSED: u8 = 4;
