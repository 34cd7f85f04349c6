//! The steps of this and earlier releases, each with frozen copies of the codecs it needs.

pub(crate) mod result_index;
