//! A chain folder made of a data folder, and a data folder made of that.

use std::path::Path;

use weir_server::export::{ExportError, Heights, export};
use weir_server::ingest::certificates::Thoroughness;
use weir_server::replay::Replay;
use weir_server::source::ChainFolder;

use super::{chain, indexed, indexer, is_good, prover, same_answers, says};

fn replayed(folder: &Path) -> Replay {
    Replay::run(&ChainFolder::open(folder).unwrap(), Thoroughness::All).unwrap()
}

fn rows(replay: &Replay) -> String {
    let mut lines = Vec::new();
    replay.write_json(&mut lines).unwrap();
    String::from_utf8(lines).unwrap()
}

#[bounded::test]
fn an_export_replays_as_the_chain_and_imports_as_the_store() {
    let data = indexed(chain());
    let to = tempfile::tempdir().unwrap();
    // As another process would: the folder is open.
    let open = indexer(data.path(), chain());
    export(data.path(), to.path(), Heights::default()).unwrap();
    drop(open);
    assert_eq!(rows(&replayed(to.path())), rows(&replayed(chain())));
    let imported = indexed(to.path());
    same_answers(&prover(imported.path()), &prover(data.path()), 0);
    is_good(imported.path());
    // So does the folder's log itself.
    let imported = indexed(data.path());
    same_answers(&prover(imported.path()), &prover(data.path()), 0);
    let again = export(data.path(), to.path(), Heights::default());
    assert!(matches!(again, Err(ExportError::Occupied { .. })), "{again:?}");
}

#[bounded::test]
fn a_part_of_a_chain_is_a_chain() {
    let data = indexed(chain());
    let whole = prover(data.path());
    let head = whole.head();
    drop(whole);
    let (from, upto) = (head.first_height + 500, head.first_height + 900);
    let to = tempfile::tempdir().unwrap();
    let heights = Heights { from: Some(from), upto: Some(upto) };
    let exported = export(data.path(), to.path(), heights).unwrap();
    assert!((400..900).contains(&exported.blocks), "{exported:?}");
    says(&["replay".as_ref(), to.path().as_ref()], 0, &[]);
    let (part, all) = (rows(&replayed(to.path())), rows(&replayed(chain())));
    // The newest are not final yet in the part, and its root is final from the start.
    let all: std::collections::HashSet<&str> = all.lines().collect();
    let settled = part.lines().take(part.lines().count() - 50);
    let known = settled.clone().filter(|line| all.contains(line)).count();
    assert!(known > 300 && known == settled.count(), "{known} rows as in the whole chain");
    let imported = indexed(to.path());
    let part = prover(imported.path());
    assert_eq!(part.head().first_height, from);
    assert!(part.head().finalized.height >= upto);
    drop(part);
    is_good(imported.path());
    for (from, upto) in [(from, head.finalized.height + 1), (upto, from)] {
        let heights = Heights { from: Some(from), upto: Some(upto) };
        let to = tempfile::tempdir().unwrap();
        let refused = export(data.path(), to.path(), heights);
        assert!(matches!(refused, Err(ExportError::Heights { .. })), "{refused:?}");
    }
    // Bounds need the index.
    let open = indexer(data.path(), chain());
    let to = tempfile::tempdir().unwrap();
    let refused = export(data.path(), to.path(), Heights { from: Some(from), upto: None });
    assert!(matches!(refused, Err(ExportError::Index(_))), "{refused:?}");
    drop(open);
}
