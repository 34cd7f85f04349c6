//! Wrong answers, kept for people: one JSON file each.

use std::fs;
use std::io;
use std::path::Path;

use prost::Message;
use serde_json::json;
use weir_proto::flow::entities;

use crate::VERSION;

/// Writes what an upstream answered and why that is wrong, and returns the file's name.
///
/// Only the first [`FILES_MAX`] answers are kept, so that a hostile upstream cannot fill the disk.
pub(super) fn keep(
    dir: &Path,
    upstream: &str,
    reason: &str,
    block: Option<&entities::Block>,
) -> io::Result<Option<String>> {
    fs::create_dir_all(dir)?;
    let count = fs::read_dir(dir)?.count();
    let names = (0..FILES_MAX).map(|number| format!("wrong-answer-{number}.json"));
    let Some(name) = names.filter(|_| count < FILES_MAX).find(|name| !dir.join(name).exists())
    else {
        return Ok(None);
    };
    let block = block.filter(|block| block.encoded_len() <= WRONG_ANSWER_BYTES_MAX);
    let block = block.map(Message::encode_to_vec);
    let block =
        block.map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let content =
        json!({ "weir": VERSION, "upstream": upstream, "reason": reason, "block": block });
    fs::write(dir.join(&name), format!("{content:#}\n"))?;
    Ok(Some(name))
}

/// Most files kept.
const FILES_MAX: usize = 32;
/// Longest block kept.
pub const WRONG_ANSWER_BYTES_MAX: usize = 1 << 20;
