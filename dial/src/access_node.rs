//! Addresses of access nodes.

use std::fmt;
use std::str::FromStr;

use crate::address::{Address, AddressError, Reason};
use crate::network_key::NetworkKey;

/// Where an access node is: an [`Address`], and after `#` the networking key that its certificate has to
/// be vouched for by, such as `https://HOST:9001#KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessNode {
    address: Address,
    key: Option<NetworkKey>,
}

impl AccessNode {
    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Its networking key, where it is known by one.
    #[must_use]
    pub fn key(&self) -> Option<&NetworkKey> {
        self.key.as_ref()
    }

    /// Its URL, without the key; equal for equal nodes.
    #[must_use]
    pub fn url(&self) -> String {
        self.address.url()
    }
}

impl FromStr for AccessNode {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address: Address = text.parse()?;
        let failed = |reason| AddressError { text: text.trim().to_owned(), reason };
        let key = address.key().map(str::parse::<NetworkKey>).transpose();
        let key = key.map_err(|_| failed(Reason::NetworkKey))?;
        if key.is_some() && !address.is_secure() {
            return Err(failed(Reason::KeyInClear));
        }
        Ok(Self { address, key })
    }
}

impl fmt::Display for AccessNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[bounded::test]
    fn a_key_is_honoured_or_the_address_is_refused() {
        let key = "dc55631abcc2aeab0131f8175eb1530d57f291efd9239417b202496c882a6bb6\
                   3b74110f5f2858b78ace07ae54bba45d908b14195ee6f2732cf02c86f65c4631";
        let node: AccessNode = format!("https://127.0.0.1:9001#{key}").parse().unwrap();
        assert_eq!(node.key().unwrap().to_string(), key);
        assert_eq!(node.to_string(), "https://127.0.0.1:9001");
        let node: AccessNode = "127.0.0.1:9000".parse().unwrap();
        assert_eq!(node.key(), None);
        for (text, expected) in [
            (format!("http://127.0.0.1:9001#{key}"), Reason::KeyInClear),
            (format!("127.0.0.1:9001#{key}"), Reason::KeyInClear),
            (format!("https://127.0.0.1:9001#{}", &key[..64]), Reason::NetworkKey),
            ("https://127.0.0.1:9001#".to_owned(), Reason::NetworkKey),
        ] {
            assert_eq!(text.parse::<AccessNode>().unwrap_err().reason, expected, "{text}");
        }
    }
}
