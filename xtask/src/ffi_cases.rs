//! The negative suite as lines and files, for programs that read neither gzip nor JSON.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use flate2::read::GzDecoder;
use serde_json::Value;

/// Writes `cases.tsv` and the bytes that it names to `out`; returns how many cases there are.
///
/// Columns: name, task, verdict, rule, clock, trusting period, ID, question, trusted state,
/// evidence; `-` where a task has none. Cases for a client that holds nothing are left out: the
/// bindings have no such way in.
pub(crate) fn write(root: &Path, out: &Path) -> anyhow::Result<usize> {
    fs::create_dir_all(out)?;
    let (mut lines, mut count) = (String::new(), 0);
    for entry in fs::read_dir(root.join(CASES))? {
        let mut text = String::new();
        GzDecoder::new(fs::File::open(entry?.path())?).read_to_string(&mut text)?;
        let group: Value = serde_json::from_str(&text)?;
        for case in group["cases"].as_array().context("cases")? {
            if let Some(line) = line(&group, case, out)? {
                writeln!(lines, "{line}")?;
                count += 1;
            }
        }
    }
    fs::write(out.join("cases.tsv"), lines)?;
    Ok(count)
}

fn line(group: &Value, case: &Value, out: &Path) -> anyhow::Result<Option<String>> {
    let task = &case["task"];
    let id = match task["kind"].as_str() {
        Some("checkpoint") => &task["block_id"],
        Some("file") => &task["checkpoint_id"],
        Some("tree") => &task["root"],
        Some("hops" | "answer" | "trusted_state") => &Value::Null,
        _ => return Ok(None),
    };
    let question = if task["items"].is_null() { &task["question"] } else { &task["items"] };
    let bytes = if task["proof"].is_null() { &task["evidence"] } else { &task["proof"] };
    let columns = [
        cell(&case["name"]),
        cell(&task["kind"]),
        cell(&case["expected"]["verdict"]),
        cell(&case["expected"]["rule"]),
        cell(&case["now_ms"]),
        cell(&case["trusting_period_ms"]),
        cell(id),
        cell(question),
        blob(group, &task["trusted_state"], out)?,
        blob(group, bytes, out)?,
    ];
    Ok(Some(columns.join("\t")))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Writes the bytes under this name to a file of the name.
fn blob(group: &Value, name: &Value, out: &Path) -> anyhow::Result<String> {
    let Some(name) = name.as_str() else {
        return Ok("-".to_owned());
    };
    let file = format!("{}-{name}.bin", group["group"].as_str().context("group")?);
    let digits = group["blobs"][name].as_str().context("a blob")?;
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16);
    let bytes = (0..digits.len()).step_by(2).map(byte).collect::<Result<Vec<u8>, _>>()?;
    fs::write(out.join(&file), bytes)?;
    Ok(file)
}

const CASES: &str = "integration-tests/conformance/cases";
