//! Addresses, as people write them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;
use thiserror::Error;

/// Where a server or an access node is: `http://HOST:PORT`, `https://HOST[:PORT][/PREFIX]`, or
/// `HOST:PORT` of this machine; each with a key after `#` where there is one.
///
/// ```
/// let address: weir_dial::Address = "https://weir.example/flow/#key".parse().unwrap();
/// assert_eq!(address.url(), "https://weir.example:443/flow");
/// assert_eq!(address.key(), Some("key"));
/// assert!("weir.example:9400".parse::<weir_dial::Address>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    secure: bool,
    /// A name or an IP address, that of IPv6 in brackets.
    host: String,
    port: u16,
    /// Empty, or a path that begins with `/` and does not end with it.
    prefix: String,
    key: Option<String>,
}

impl Address {
    /// Whether connections are encrypted.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host's name, or its IP address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The host with its port, such as `[::1]:9400`.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The path below which a front end has the server; empty if there is none.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What follows `#`.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// All but the key; equal for equal servers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.scheme(), self.authority(), self.prefix)
    }

    /// Whether it is of this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(self.host())
    }

    fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> Uri {
        let text = format!("{}://{}", self.scheme(), self.authority());
        text.parse().unwrap_or_else(|_| unreachable!("its parts are of a URI"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url())?;
        self.key.as_ref().map_or(Ok(()), |key| write!(f, "#{key}"))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let failed = |reason| AddressError { text: text.to_owned(), reason };
        let (url, key) = match text.split_once('#') {
            Some((url, key)) => (url, Some(key.to_owned())),
            None => (text, None),
        };
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, url),
        };
        if !matches!(scheme, None | Some("http" | "https")) {
            return Err(failed(Reason::Scheme));
        }
        let (authority, prefix) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = host_and_port(authority).map_err(failed)?;
        let secure = is_secure(scheme, &host, port).map_err(failed)?;
        if prefix.contains('?') {
            return Err(failed(Reason::Query));
        }
        let prefix = prefix.trim_end_matches('/').to_owned();
        let port = port.unwrap_or(if secure { 443 } else { 80 });
        let address = Self { secure, host, port, prefix, key };
        address.url().parse::<Uri>().map_err(|_| failed(Reason::Malformed))?;
        Ok(address)
    }
}

fn is_secure(scheme: Option<&str>, host: &str, port: Option<u16>) -> Result<bool, Reason> {
    match scheme {
        Some(scheme) => Ok(scheme == "https"),
        // Nobody but this machine hears what is said in clear.
        None if is_loopback(host) && port.is_some() => Ok(false),
        None => Err(Reason::NoScheme),
    }
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), Reason> {
    if authority.contains('@') {
        return Err(Reason::User);
    }
    let end_of_host = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match authority[end_of_host..].rfind(':') {
        Some(colon) => {
            (&authority[..end_of_host + colon], Some(&authority[end_of_host + colon + 1..]))
        }
        None => (authority, None),
    };
    let digits = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        Some(port) => match Some(port).filter(digits).and_then(|port| port.parse().ok()) {
            None | Some(0) => return Err(Reason::Port),
            port => port,
        },
        None => None,
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let fine = match bare {
        Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && !host.contains([':', '[', ']', '%']),
    };
    if fine { Ok((host.to_ascii_lowercase(), port)) } else { Err(Reason::Host) }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// The text is no address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is not the address of a server: {reason}")]
pub struct AddressError {
    /// The text.
    pub text: String,
    pub(crate) reason: Reason,
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Reason {
    #[error("it begins with neither http:// nor https://")]
    Scheme,
    #[error("begin it with https://, or with http:// if nothing is to be encrypted")]
    NoScheme,
    #[error("its host is no name and no IP address; one of IPv6 is written in [ ]")]
    Host,
    #[error("its port is no number from 1 to 65535")]
    Port,
    #[error("a user's name or password is not used; leave it out")]
    User,
    #[error("what follows ? is not used; leave it out")]
    Query,
    #[error("write it as https://HOST:PORT")]
    Malformed,
    #[error("what follows # is no networking key, 128 hexadecimal digits")]
    NetworkKey,
    #[error("a networking key is checked with TLS alone; begin it with https://")]
    KeyInClear,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> String {
        text.parse::<Address>().unwrap().url()
    }

    fn reason(text: &str) -> Reason {
        text.parse::<Address>().unwrap_err().reason
    }

    #[bounded::test]
    fn what_people_write_is_one_address() {
        for (text, expected) in [
            ("http://127.0.0.1:9400", "http://127.0.0.1:9400"),
            (" http://127.0.0.1:9400/ \n", "http://127.0.0.1:9400"),
            ("127.0.0.1:9400", "http://127.0.0.1:9400"),
            ("localhost:9400", "http://localhost:9400"),
            ("[::1]:9400", "http://[::1]:9400"),
            ("https://Weir.Example", "https://weir.example:443"),
            ("http://weir.example", "http://weir.example:80"),
            ("https://weir.example/weir/", "https://weir.example:443/weir"),
            ("https://[2001:db8::1]/a/b", "https://[2001:db8::1]:443/a/b"),
        ] {
            assert_eq!(url(text), expected, "{text}");
            assert_eq!(url(expected), expected);
        }
    }

    #[bounded::test]
    fn what_would_not_be_honoured_is_refused() {
        for (text, expected) in [
            ("tcp://127.0.0.1:9400", Reason::Scheme),
            ("dns:///127.0.0.1:9400", Reason::Scheme),
            ("HTTPS//weir.example:1", Reason::NoScheme),
            ("weir.example:9400", Reason::NoScheme),
            ("127.0.0.1", Reason::NoScheme),
            ("http://127.0.0.1:99999", Reason::Port),
            ("http://127.0.0.1:0", Reason::Port),
            ("http://127.0.0.1:", Reason::Port),
            ("http://127.0.0.1:+80", Reason::Port),
            ("http://user:secret@127.0.0.1:9400", Reason::User),
            ("http://127.0.0.1:9400?x=1", Reason::Query),
            ("http://127.0.0.1:9400/a?x=1", Reason::Query),
            ("http://", Reason::Host),
            ("http:///a", Reason::Host),
            ("http://::1", Reason::Host),
            ("http://[127.0.0.1]:1", Reason::Host),
            ("http://we ir.example:1", Reason::Malformed),
            ("", Reason::Host),
        ] {
            assert_eq!(reason(text), expected, "{text}");
        }
    }

    #[bounded::test]
    fn a_key_is_kept_apart() {
        let address: Address = "127.0.0.1:9400#ab".parse().unwrap();
        assert_eq!((address.key(), address.url().as_str()), (Some("ab"), "http://127.0.0.1:9400"));
        assert_eq!(address.to_string(), "http://127.0.0.1:9400#ab");
        assert_eq!(address.to_string().parse(), Ok(address));
    }
}
