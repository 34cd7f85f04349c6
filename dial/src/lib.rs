//! Addresses of servers and access nodes, and connections to them.
//!
//! There is one reader of addresses, and whatever an address says is done or refused: `https://` is TLS,
//! a path is one of a front end, and a key after `#` is the caller's to check, or an access node's
//! networking key. [`Dialer`] is all that opens connections.
#![forbid(unsafe_code)]

mod access_node;
mod address;
mod channel;
mod connector;
mod heard;
mod maybe_tls;
mod network_key;
#[cfg(feature = "clap")]
mod options;
pub mod pem;
mod trust;

pub use access_node::AccessNode;
pub use address::{Address, AddressError};
pub use channel::{CONNECT_TIMEOUT, Channel, Dialer};
pub use connector::DialError;
pub use maybe_tls::MaybeTls;
pub use network_key::{NetworkKey, NetworkKeyError, PinError};
#[cfg(feature = "clap")]
pub use options::Asking;
pub use pem::PemError;
pub use trust::{HTTP2, Trust, authorities, provider};
