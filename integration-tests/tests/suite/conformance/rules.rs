//! The table of rules and cases, and that no rule is without a case.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use weir_conformance::{Group, Task};

/// Enum and file whose variants are rules, and which cases hold them.
const RULES: [(&str, &str, &str); 6] = [
    (
        "Violation",
        "verifier/src/violation.rs",
        "Evidence that breaks a rule: whoever sent it is at fault",
    ),
    ("Missing", "verifier/src/error.rs", "What is missing, and whoever asks can get or mend"),
    ("NotYet", "verifier/src/error.rs", "What nobody can prove now"),
    ("NeedsUpdate", "verifier/src/error.rs", "What only a newer version understands"),
    ("TrustedStateError", "verifier/src/trusted/bytes.rs", "Bytes of a trusted state"),
    ("ProofError", "protocol/src/merkle/proof.rs", "Merkle proofs by themselves"),
];

/// Rules that no bytes of a case break, and why.
const WITHOUT_CASE: [(&str, &str, &str); 1] = [(
    "TrustedStateError",
    "TooLarge",
    "takes more than 16 MiB, which no published case has; `integration-tests/tests/suite/anchors.rs`",
)];

pub(super) fn document() -> PathBuf {
    root().join("docs/rules.md")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The variants of an enum, as its source has them.
pub(crate) fn variants(name: &str) -> Vec<String> {
    let (_, file, _) = RULES.into_iter().find(|(rules, ..)| *rules == name).unwrap();
    let source = fs::read_to_string(root().join(file)).unwrap();
    let body = source.split_once(&format!("pub enum {name} {{\n")).unwrap().1;
    let body = body.split_once("\n}").unwrap().0;
    let names = body.lines().filter_map(|line| {
        let line = line.strip_prefix("    ")?;
        line.starts_with(char::is_uppercase)
            .then(|| line.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned())
    });
    names.collect()
}

/// Which of the enums a case's rule is a variant of.
fn enum_of(task: &Task, verdict: &weir_conformance::Verdict) -> &'static str {
    use weir_conformance::Verdict;
    match (task, verdict) {
        (Task::TrustedState { .. }, _) => "TrustedStateError",
        (Task::Inclusion { .. } | Task::Absence { .. }, _) => "ProofError",
        (_, Verdict::Missing { .. }) => "Missing",
        (_, Verdict::NotYet { .. }) => "NotYet",
        (_, Verdict::NeedsUpdate { .. }) => "NeedsUpdate",
        _ => "Violation",
    }
}

/// Names of cases by enum and rule.
fn cases(groups: &[Group]) -> BTreeMap<(&'static str, String), Vec<String>> {
    let mut cases: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for case in groups.iter().flat_map(|group| &group.cases) {
        if let Some(rule) = case.expected.rule() {
            let key = (enum_of(&case.task, &case.expected), rule.to_owned());
            cases.entry(key).or_default().push(case.name.clone());
        }
    }
    cases
}

/// The document, whole.
pub(super) fn table(groups: &[Group]) -> String {
    let cases = cases(groups);
    let total: usize = groups.iter().map(|group| group.cases.len()).sum();
    let lies: usize = cases.values().map(Vec::len).sum();
    let mut out = String::from(INTRODUCTION);
    let honest = total - lies;
    writeln!(out, "{lies} cases break a rule; {honest} honest ones are their twins.").unwrap();
    for (name, file, title) in RULES {
        writeln!(out, "\n## {title}\n\n`{name}` in `{file}`.\n").unwrap();
        writeln!(out, "| rule | cases |\n|---|---|").unwrap();
        for rule in variants(name) {
            let names = cases.get(&(name, rule.clone())).map(|names| names.join(", "));
            let without = WITHOUT_CASE.iter().find(|(of, other, _)| *of == name && *other == rule);
            let cell = names.or_else(|| without.map(|(_, _, why)| format!("none: {why}")));
            let cell = cell.unwrap_or_else(|| panic!("{name}::{rule} has no case"));
            writeln!(out, "| {rule} | {cell} |").unwrap();
        }
    }
    out
}

#[bounded::test]
fn every_rule_has_a_case_or_a_reason() {
    let groups = super::published();
    let known: BTreeSet<_> = RULES
        .iter()
        .flat_map(|(name, ..)| variants(name).into_iter().map(|rule| (*name, rule)))
        .collect();
    assert!(known.len() > 40, "{} rules", known.len());
    for (key, names) in cases(&groups) {
        assert!(known.contains(&key), "{key:?} is no rule, but {names:?} break it");
    }
    for (name, rule, _) in WITHOUT_CASE {
        assert!(known.contains(&(name, rule.to_owned())), "{name}::{rule} is no rule");
    }
    let found = fs::read_to_string(document()).unwrap();
    assert!(found == table(&groups), "docs/rules.md is stale: run `cargo xtask conformance`");
}

#[bounded::test]
fn every_lie_has_an_honest_twin() {
    let groups = super::published();
    for group in &groups {
        for case in &group.cases {
            assert_eq!(case.rule.as_deref(), case.expected.rule(), "{}", case.name);
            let twin = case.twin.as_ref().map(|twin| group.case(twin).unwrap());
            match twin {
                Some(twin) => assert_eq!((&twin.rule, &twin.twin), (&None, &None), "{}", case.name),
                None => assert_eq!(case.rule, None, "{}", case.name),
            }
        }
    }
}

const INTRODUCTION: &str = "# Rules and cases

Every rule of the client, and the published cases that break it. `cargo xtask conformance` writes this
table; the test suite fails when a rule has no case. The cases are data, for any implementation:
`integration-tests/conformance/README.md` describes them.

";
