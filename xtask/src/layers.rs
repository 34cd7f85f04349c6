//! The order of the modules of `protocol`: a module uses those of its own layer and below.

use std::fs;
use std::path::Path;

/// Adds each use of a module that lies above the one that uses it.
pub(crate) fn check(root: &Path, files: &[String], violations: &mut Vec<String>) {
    for file in files {
        let Some(path) = file.strip_prefix(SOURCES).and_then(|path| path.strip_suffix(".rs"))
        else {
            continue;
        };
        let Ok(text) = fs::read_to_string(root.join(file)) else { continue };
        let Some(own) = layer(path) else {
            if path != "lib" {
                violations.push(format!("{file}: its module is in no layer; see {LAYERS_IN}"));
            }
            continue;
        };
        for used in used(&text) {
            let above = layer(&used).is_some_and(|layer| layer > own)
                && !BACK.iter().any(|(by, of)| *by == path && used.starts_with(of));
            if above {
                violations.push(format!(
                    "{file}: uses crate::{}, which lies above it",
                    used.replace('/', "::")
                ));
            }
        }
    }
}

/// The paths of modules that the code of a file names, its tests left out.
fn used(text: &str) -> Vec<String> {
    let code = text.split("\n#[cfg(test)]").next().unwrap_or_default();
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let paths = code.flat_map(|line| line.split("crate::").skip(1));
    paths.map(path).collect()
}

/// The beginning of what follows `crate::`, as a path of files.
fn path(text: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    text[..end].replace("::", "/")
}

/// The layer of a module, by the longest path that it begins with.
fn layer(path: &str) -> Option<usize> {
    let begins = |module: &str| {
        path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let modules = LAYERS.iter().enumerate().flat_map(|(layer, modules)| {
        let found = modules.iter().filter(move |module| begins(module));
        found.map(move |module| (module.len(), layer))
    });
    modules.max().map(|(_, layer)| layer)
}

const SOURCES: &str = "protocol/src/";
const LAYERS_IN: &str = "xtask/src/layers.rs";

/// Modules from the ground up. A protocol state of a simulated network commits to its own snapshot tree,
/// and a tree is made of a protocol state, so these two are of one layer.
const LAYERS: [&[&str]; 6] = [
    &["bls", "codec", "model", "prg"],
    &["chunk_assignment", "hotstuff", "merkle"],
    &["protocol_state", "snapshot_tree"],
    &["request"],
    &["evidence"],
    &["codec/snapshot"],
];

/// Uses that go up, by whom and of what, which are left to turn round; no new ones come.
const BACK: [(&str, &str); 3] = [
    ("codec/entities", "merkle"),
    ("codec/json/state", "codec/snapshot/EpochIdentity"),
    ("codec/json/state", "protocol_state/ParticipationStatus"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[bounded::test]
    fn a_module_lies_where_its_longest_name_does() {
        assert_eq!(layer("codec/rlp/decoder"), Some(0));
        assert_eq!(layer("codec/snapshot/check"), Some(5));
        assert_eq!(layer("codec/snapshots"), Some(0));
        assert_eq!(layer("nowhere"), None);
    }

    #[bounded::test]
    fn uses_are_found_in_code_alone() {
        let text = "use crate::merkle::Proof;\n// crate::request\n    let x = crate::evidence::y();\n\
                    #[cfg(test)]\nmod tests {\n    use crate::request;\n}\n";
        assert_eq!(used(text), ["merkle/Proof", "evidence/y"]);
    }
}
