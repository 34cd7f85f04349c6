//! What is left answers as before; what is gone is refused, and says from where on there is more.

use std::fs;
use std::path::Path;

use weir_protocol::request::{Depth, Held, HopsRequest, MaxHops, Selector, Topic};
use weir_server::prover::{Prover, ProverError};
use weir_server::prune::{Prune, PruneError, Pruned, prune};
use weir_server::source::ChainFolder;

use super::{
    ask, chain, indexed, indexer, is_good, lose_index, options, prover, same_answers, says,
};

fn pruned(data: &Path, what: Prune) -> Pruned {
    prune(data, what, &options()).unwrap()
}

#[bounded::test]
fn a_store_without_its_first_blocks_begins_later_and_goes_on() {
    let whole = indexed(chain());
    let all = prover(whole.path());
    let height = all.head().first_height + 800;
    let data = indexed(chain());
    let older = indexed(chain());
    let done = pruned(data.path(), Prune::Before(height));
    let first = done.first_height;
    assert!(done.blocks > 500 && (height - 200..=height).contains(&first), "{done:?}");
    is_good(data.path());
    let left = prover(data.path());
    assert_eq!(
        (left.head().first_height, left.head().first_epoch_counter),
        (first, done.first_epoch_counter)
    );
    same_answers(&left, &all, first + 1);
    what_is_gone_is_refused(&left, &all, &done);
    drop(left);
    // A lost index is made again from there, and so is one of before, as a kill in between leaves it.
    lose_index(data.path());
    same_answers(&prover(data.path()), &all, first + 1);
    is_good(data.path());
    lose_index(data.path());
    fs::rename(older.path().join("index"), data.path().join("index")).unwrap();
    same_answers(&prover(data.path()), &all, first + 1);
    is_good(data.path());
    // The source goes on where the store is, though it begins before it.
    indexer(data.path(), chain()).run(|_| ()).unwrap();
    // And the folder is itself a source.
    let copy = indexed(data.path());
    assert_eq!(prover(copy.path()).head().first_height, first);
    // Again, a little higher.
    let again = pruned(data.path(), Prune::Before(height + 300));
    assert!(again.first_height > first, "{again:?}");
    same_answers(&prover(data.path()), &all, again.first_height + 1);
    is_good(data.path());
    assert_eq!(pruned(data.path(), Prune::Before(height)).blocks, 0);
}

/// Every kind of question about what was pruned names what there is.
fn what_is_gone_is_refused(left: &Prover, all: &Prover, done: &Pruned) {
    let first = done.first_height;
    for depth in [Depth::KnownBlock, Depth::Finality, Depth::Seal] {
        let refused = ask(left, Selector::Height(first - 1), Topic::Snapshot, depth);
        assert!(matches!(&refused, Err(ProverError::Height { .. })), "{refused:?}");
        assert!(format!("{}", refused.unwrap_err()).contains(&first.to_string()));
        let gone = all.block_at(10).unwrap().block_id;
        let refused = ask(left, Selector::Id(gone), Topic::Snapshot, depth);
        assert!(matches!(refused, Err(ProverError::UnknownBlock { .. })), "{refused:?}");
    }
    let counter = all.head().first_epoch_counter;
    assert!(done.first_epoch_counter > counter);
    let hops = |counter| {
        left.hops(&HopsRequest {
            epoch_counter: counter,
            held: Held::default(),
            max_hops: MaxHops::LEFT_TO_SERVER,
        })
    };
    assert!(matches!(hops(counter), Err(ProverError::UnknownEpoch { .. })));
    hops(done.first_epoch_counter).unwrap();
}

#[bounded::test]
fn a_store_pruned_in_the_middle_of_its_life_ends_as_others_do() {
    let (whole, data) = (indexed(chain()), tempfile::tempdir().unwrap());
    let half = tempfile::tempdir().unwrap();
    let upto = prover(whole.path()).head().first_height + 700;
    let heights = weir_server::export::Heights { from: None, upto: Some(upto) };
    weir_server::export::export(whole.path(), half.path(), heights).unwrap();
    indexer(data.path(), half.path()).run(|_| ()).unwrap();
    let done = pruned(data.path(), Prune::Before(upto - 200));
    assert!(done.blocks > 100, "{done:?}");
    indexer(data.path(), chain()).run(|_| ()).unwrap();
    same_answers(&prover(data.path()), &prover(whole.path()), done.first_height + 1);
    is_good(data.path());
}

#[bounded::test]
fn a_store_without_old_payloads_has_their_headers() {
    let data = indexed(chain());
    let all = indexed(chain());
    let all = prover(all.path());
    let first = all.head().first_height;
    let done = pruned(data.path(), Prune::PayloadsBefore(first + 800));
    assert!(done.payloads > 500 && done.blocks == 0, "{done:?}");
    let remade = done.remade_from.unwrap();
    is_good(data.path());
    let left = prover(data.path());
    assert_eq!(left.head().first_height, first);
    let old = Selector::Height(first + 300);
    let answer = |prover| ask(prover, old, Topic::Snapshot, Depth::Finality).unwrap();
    assert_eq!(answer(&left), answer(&all));
    let refused = ask(&left, old, Topic::ExecutionResult, Depth::Seal);
    assert!(
        matches!(refused, Err(ProverError::PrunedPayload { .. } | ProverError::NotSealed { .. })),
        "{refused:?}"
    );
    drop(left);
    same_tail(data.path(), remade, &all);
    // An index made from the log begins where the payloads do.
    lose_index(data.path());
    assert_eq!(prover(data.path()).head().first_height, remade);
    same_tail(data.path(), remade, &all);
    is_good(data.path());
    assert_eq!(pruned(data.path(), Prune::PayloadsBefore(first)).payloads, 0);
}

fn same_tail(data: &Path, from: u64, all: &Prover) {
    same_answers(&prover(data), all, from + 100);
}

#[bounded::test]
fn one_payload_is_taken_away_and_says_so() {
    let data = indexed(chain());
    let before = prover(data.path());
    let (victim, next) = (before.block_at(100).unwrap(), before.block_at(101).unwrap());
    let newest = before.block_at(before.head().blocks - 1).unwrap().block_id;
    drop(before);
    let command = |id: &str, code, words: &[&str]| {
        let [prune, data_option, option] = ["prune", "--data", "--payload-of"].map(AsRef::as_ref);
        says(&[prune, data_option, data.path().as_ref(), option, id.as_ref()], code, words);
    };
    let id = victim.block_id.to_string();
    command(&id, 0, &["removed 0 blocks and 1 payloads", "are not answered any more"]);
    command(&id, 0, &["0 payloads", "nothing to remove"]);
    command(&newest.to_string(), 1, &["nothing was taken away", "needed to go on"]);
    command(&"ab".repeat(32), 1, &["is not in the data folder"]);
    is_good(data.path());
    let left = prover(data.path());
    let block = left.block_at(100).unwrap();
    assert_eq!((block.record.payload(), block.roots().unwrap()), (None, victim.roots().unwrap()));
    assert_eq!(left.block_at(101).unwrap().record.payload(), next.record.payload());
    drop(left);
    lose_index(data.path());
    let served =
        ask(&prover(data.path()), Selector::LatestFinalized, Topic::Snapshot, Depth::Finality);
    assert!(served.is_ok(), "{served:?}");
    is_good(data.path());
}

#[bounded::test]
fn an_index_is_made_again_where_payloads_were_pruned_while_indexing() {
    let data = tempfile::tempdir().unwrap();
    let mut keeping = indexer(data.path(), chain()).keeping_payloads(Some(300));
    keeping.run(|_| ()).unwrap();
    drop(keeping);
    is_good(data.path());
    let whole = prover(data.path());
    let (first, blocks) = (whole.head().first_height, whole.head().blocks);
    assert!(whole.block_at(10).unwrap().record.payload().is_none(), "pruned");
    drop(whole);
    lose_index(data.path());
    let left = prover(data.path());
    assert!(left.head().first_height > first && left.head().blocks == blocks);
    drop(left);
    is_good(data.path());
    let refused = prune(data.path(), Prune::Before(first + 100), &options());
    assert!(refused.is_ok_and(|done| done.blocks == 0));
}

#[bounded::test]
fn what_is_needed_is_kept_and_what_is_nothing_is_refused() {
    let data = indexed(chain());
    let head = prover(data.path()).head();
    let run = |arguments: &[&str], code, words: &[&str]| {
        let mut all: Vec<&std::ffi::OsStr> = vec!["prune".as_ref()];
        all.extend(arguments.iter().map(std::ffi::OsStr::new));
        says(&all, code, words);
    };
    let path = data.path().to_str().unwrap();
    let (sealed, final_height) = (head.sealed.height, head.finalized.height.to_string());
    let needed = ["needed to go on", &sealed.to_string()];
    run(&["--data", path, "--before", &final_height], 1, &needed);
    run(&["--data", path, "--payloads-before", &final_height], 1, &needed);
    run(&["--data", path, "--before", "1"], 0, &["nothing to remove"]);
    run(&["--data", path], 2, &["--before"]);
    run(&["--data", path, "--before", "1", "--payloads-before", "1"], 2, &[]);
    run(&["--data", chain().to_str().unwrap(), "--before", "1"], 1, &["is no data folder"]);
    let open = indexer(data.path(), chain());
    let refused = prune(data.path(), Prune::Before(sealed), &options());
    assert!(matches!(refused, Err(PruneError::Index(_))), "{refused:?}");
    drop(open);
    is_good(data.path());
    // Other sources are refused as before.
    assert!(ChainFolder::open(data.path()).is_ok());
}
