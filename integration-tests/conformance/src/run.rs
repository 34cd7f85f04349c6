//! What the verifier makes of a case.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt::Debug;

use weir_protocol::evidence::{AnswerProof, CheckpointProof, EvidenceError, HopsPage, Preimages};
use weir_protocol::merkle::{self, AbsenceProof, Proof, ProofError};
use weir_protocol::request::{Question, Selector};
use weir_verifier::{
    Anchor, Answer, HopsApplied, Missing, NotYet, Rejection, Timing, TrustedState, Verified,
    Violation, open, verify_file, verify_tree,
};

use crate::case::{Case, Group, SuiteError, Task, Verdict, identifier};
use crate::digest::{answer_digest, state_digest, tree_answer_digest, tree_root_digest};
use crate::question::tree_question;

/// A case that did not end as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The case.
    pub case: String,
    /// The verdict that is due.
    pub expected: Verdict,
    /// What came of it.
    pub found: Result<Verdict, SuiteError>,
}

/// Runs all cases of a group; what is returned did not end as it should.
#[must_use]
pub fn check(group: &Group) -> Vec<Failure> {
    let failures = group.cases.iter().filter_map(|case| {
        let found = run(group, case);
        (found.as_ref() != Ok(&case.expected)).then(|| Failure {
            case: case.name.clone(),
            expected: case.expected.clone(),
            found,
        })
    });
    failures.collect()
}

/// The verifier's verdict on a case.
///
/// # Errors
/// When the case itself is malformed: what is under test never leads to an error.
pub fn run(group: &Group, case: &Case) -> Result<Verdict, SuiteError> {
    let timing = timing(case)?;
    match &case.task {
        Task::Checkpoint { block_id, evidence } => {
            let block_id = identifier(block_id)?;
            let trusted = read(group, evidence, CheckpointProof::from_bytes)?
                .and_then(|evidence| TrustedState::from_checkpoint(block_id, &evidence));
            Ok(verdict(trusted, |trusted| of_state(trusted)))
        }
        Task::Hops { trusted_state, evidence } => {
            let mut trusted = trusted(group, trusted_state)?;
            let applied = read(group, evidence, HopsPage::from_bytes)?
                .and_then(|page| trusted.apply_hops(&page, &timing));
            Ok(verdict(applied, |_: &HopsApplied| of_state(&trusted)))
        }
        Task::Answer { trusted_state, question, evidence } => {
            let (mut trusted, question) = (trusted(group, trusted_state)?, question.parse()?);
            let before = trusted.to_bytes();
            let answer = read(group, evidence, AnswerProof::from_bytes)?
                .and_then(|evidence| trusted.verify(&question, &evidence, &timing));
            if answer.is_err() && trusted.to_bytes() != before {
                return Ok(invalid("Moved", None));
            }
            Ok(verdict(answer, of_answer))
        }
        Task::KnownBlock { block_id, question, evidence } => {
            let (block_id, held) = (identifier(block_id)?, &Preimages::default());
            let anchor = Anchor::KnownBlock { block_id, held };
            answer(group, anchor, (&question.parse()?, evidence), &timing)
        }
        Task::Committee { trusted_state, epoch_counter, question, evidence } => {
            let trusted = trusted(group, trusted_state)?;
            let committee = trusted.committee(*epoch_counter).ok_or(SuiteError::TrustedState)?;
            let anchor = Anchor::Committee { committee, held: &Preimages::default() };
            answer(group, anchor, (&question.parse()?, evidence), &timing)
        }
        Task::File { checkpoint_id, evidence } => {
            let file = verify_file(identifier(checkpoint_id)?, &group.blob(evidence)?, &timing);
            Ok(verdict(file, |(_, answer)| of_answer(answer)))
        }
        Task::TrustedState { trusted_state } => {
            let bytes = group.blob(trusted_state)?;
            Ok(match TrustedState::from_bytes(&bytes) {
                Ok(trusted) => of_state(&trusted),
                Err(error) => named(&error, None),
            })
        }
        Task::Inclusion { .. } | Task::Absence { .. } => proof(group, &case.task),
        Task::CommittedTree { block_id, evidence } => {
            let block_id = identifier(block_id)?;
            let anchor = Anchor::KnownBlock { block_id, held: &Preimages::default() };
            let block = Selector::Id(block_id);
            let root = read(group, evidence, AnswerProof::from_bytes)?.and_then(|evidence| {
                let question = Question { block, topic: evidence.question.topic.clone() };
                open(anchor, &question, &evidence, &timing)?.committed_tree_root()
            });
            Ok(verdict(root, |root| Verdict::Verified {
                block_id: Some(root.block_id.to_hex()),
                height: Some(root.height),
                trust: Some(root.trust.name().to_string()),
                epoch_counter: None,
                digest: Some(tree_root_digest(root)),
            }))
        }
        Task::Tree { root, items, proof } => {
            let (root, question) = (identifier(root)?, tree_question(items)?);
            let answer = verify_tree(root, &question, &group.blob(proof)?);
            Ok(verdict(answer, |answer| holds(Some(tree_answer_digest(answer)))))
        }
    }
}

fn answer(
    group: &Group,
    anchor: Anchor<'_>,
    (question, evidence): (&Question, &str),
    timing: &Timing,
) -> Result<Verdict, SuiteError> {
    let answer = read(group, evidence, AnswerProof::from_bytes)?
        .and_then(|evidence| open(anchor, question, &evidence, timing)?.answer());
    Ok(verdict(answer, of_answer))
}

fn proof(group: &Group, task: &Task) -> Result<Verdict, SuiteError> {
    let held: Result<(), ProofError> = match task {
        Task::Inclusion { root, id, index, proof } => {
            let (root, id) = (identifier(root)?, identifier(id)?);
            Proof::decode(&group.blob(proof)?)
                .and_then(|proof| merkle::verify(&root, &id, *index, &proof))
        }
        Task::Absence { root, id, proof } => {
            let (root, id) = (identifier(root)?, identifier(id)?);
            AbsenceProof::decode(&group.blob(proof)?)
                .and_then(|proof| merkle::verify_absence(&root, &id, &proof))
        }
        _ => Ok(()),
    };
    Ok(match held {
        Ok(()) => holds(None),
        Err(error) => named(&error, None),
    })
}

/// Something about no block holds.
fn holds(digest: Option<String>) -> Verdict {
    Verdict::Verified { block_id: None, height: None, trust: None, epoch_counter: None, digest }
}

fn timing(case: &Case) -> Result<Timing, SuiteError> {
    let timing = Timing::at(case.now_ms);
    match case.trusting_period_ms {
        Some(period) => timing.with_trusting_period_ms(period).map_err(|_| SuiteError::Timing),
        None => Ok(timing),
    }
}

fn trusted(group: &Group, name: &str) -> Result<TrustedState, SuiteError> {
    TrustedState::from_bytes(&group.blob(name)?).map_err(|_| SuiteError::TrustedState)
}

/// The evidence under this name, or the rule that its bytes break.
fn read<T>(
    group: &Group,
    name: &str,
    from_bytes: impl FnOnce(&[u8]) -> Result<T, EvidenceError>,
) -> Result<Result<T, Rejection>, SuiteError> {
    Ok(from_bytes(&group.blob(name)?).map_err(Rejection::from))
}

fn verdict<T>(found: Result<T, Rejection>, value: impl FnOnce(&T) -> Verdict) -> Verdict {
    match found {
        Ok(verified) => value(&verified),
        Err(Rejection::Missing(missing)) => {
            let detail = match &missing {
                Missing::Preimage { what, .. } => Some((*what).to_string()),
                _ => None,
            };
            Verdict::Missing { rule: path(&missing), detail }
        }
        Err(Rejection::NotYet(not_yet)) => {
            let detail = match &not_yet {
                NotYet::Epoch { name } => Some(name.to_string()),
                _ => None,
            };
            Verdict::NotYet { rule: path(&not_yet), detail }
        }
        Err(Rejection::NeedsUpdate(needs)) => Verdict::NeedsUpdate { rule: path(&needs) },
        Err(Rejection::Invalid(violation)) => named(&*violation, violation_detail(&violation)),
    }
}

/// The part of a rule that is broken.
fn violation_detail(violation: &Violation) -> Option<String> {
    Some(match violation {
        Violation::Certificate { source, .. } => path(source),
        Violation::Tree(source) => path(source),
        Violation::Committee { source, .. } => path(source),
        Violation::Preimage { what, .. } => (*what).to_string(),
        Violation::HeaderLink { field, .. } | Violation::EpochOrder { field, .. } => {
            (*field).to_string()
        }
        Violation::LastSealed { reason } | Violation::State { reason } => (*reason).to_string(),
        _ => return None,
    })
}

/// A broken rule, named as the variant of its error.
fn named(error: &impl Debug, detail: Option<String>) -> Verdict {
    let path = path(error);
    match path.split_once('.') {
        Some((rule, rest)) => invalid(rule, detail.or(Some(rest.to_string()))),
        None => invalid(&path, detail),
    }
}

fn invalid(rule: &str, detail: Option<String>) -> Verdict {
    Verdict::Invalid { rule: rule.to_string(), detail }
}

/// Names of an error's variant and of those inside it, such as `Signers.Indices.Padding`.
fn path(error: &impl Debug) -> String {
    let debug = format!("{error:?}");
    let names = debug.split('(').map(|part| {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(part.len());
        (&part[..end], end == part.len())
    });
    let mut path = Vec::new();
    for (name, is_whole) in names {
        path.push(name);
        // Anything but a name before the next parenthesis is a field, which says no more.
        if !is_whole {
            break;
        }
    }
    path.join(".")
}

fn of_answer(answer: &Verified<Answer>) -> Verdict {
    Verdict::Verified {
        block_id: Some(answer.block_id.to_hex()),
        height: Some(answer.height),
        trust: Some(answer.trust.name().to_string()),
        epoch_counter: None,
        digest: Some(answer_digest(answer)),
    }
}

fn of_state(trusted: &TrustedState) -> Verdict {
    Verdict::Verified {
        block_id: Some(trusted.head().block_id.to_hex()),
        height: Some(trusted.head().height),
        trust: None,
        epoch_counter: Some(trusted.newest_epoch().counter()),
        digest: Some(state_digest(trusted)),
    }
}
