//! The steps of this and earlier releases, each with frozen copies of the codecs it needs.

pub(crate) mod frozen;
pub(crate) mod result_index;
pub(crate) mod version_beacons;
