//! A server for the tests of the walk in other languages.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::running::{self, Running};

/// A server of a reference chain, and what a client must find there.
pub(crate) struct Served {
    _running: Running,
    url: String,
    checkpoint: String,
    head_id: String,
    /// A height after which there are changes.
    after: String,
}

impl Served {
    /// Builds and starts the server.
    pub(crate) fn start(root: &Path) -> anyhow::Result<Self> {
        let server = running::build(root)?;
        let chain = root.join(CHAIN);
        let data = root.join("target/ffi-data");
        let (running, address) = Running::replay(&server, &chain, &data)?;
        let mut text = String::new();
        let expected = fs::File::open(chain.join("expected.jsonl.gz"))?;
        GzDecoder::new(expected).read_to_string(&mut text)?;
        let rows: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let head = rows.iter().filter(|row| row["finalized"] == true);
        let head = head.max_by_key(|row| row["height"].as_u64()).context("a final block")?;
        let id = |row: &Value| row["block_id"].as_str().map(str::to_owned).context("an ID");
        let first = rows.first().context("a row")?;
        Ok(Self {
            _running: running,
            url: format!("http://{address}"),
            checkpoint: id(first)?,
            head_id: id(head)?,
            after: (first["height"].as_u64().context("a height")? + 1).to_string(),
        })
    }

    /// Tells a program of it, by its arguments.
    pub(crate) fn tell<'a>(&self, program: &'a mut Command) -> &'a mut Command {
        program.args([&self.url, &self.checkpoint, &self.head_id, &self.after])
    }

    /// Tells a program of it, by variables of its environment.
    pub(crate) fn tell_by_environment<'a>(&self, program: &'a mut Command) -> &'a mut Command {
        program
            .env("WEIR_TEST_URL", &self.url)
            .env("WEIR_TEST_CHECKPOINT", &self.checkpoint)
            .env("WEIR_TEST_HEAD_ID", &self.head_id)
            .env("WEIR_TEST_AFTER", &self.after)
    }
}

const CHAIN: &str = "integration-tests/vectors/thirty-epochs";
