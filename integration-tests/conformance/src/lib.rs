//! Weir's negative suite: evidence that must be rejected, each case with its honest twin.
//!
//! The cases are files that any implementation can read (`cases/*.json.gz`, described in
//! `README.md`). This crate reads them and says what Weir's verifier makes of each; it never looks
//! at the expectation before. It does no I/O and builds without `std`, as the verifier does.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod case;
mod digest;
mod question;
mod run;

pub use case::{Case, Group, SUITE_VERSION, SuiteError, Task, Verdict};
pub use digest::{answer_digest, state_digest, tree_answer_digest, tree_root_digest};
pub use question::{
    AskedBlock, AskedEpoch, AskedFilter, AskedItem, AskedQuestion, AskedTopic, tree_question,
};
pub use run::{Failure, check, run};
