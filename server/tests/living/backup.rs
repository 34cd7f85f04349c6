//! Copies of a data folder, also of one that is written meanwhile.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use weir_devnet::Config;
use weir_devnet::archive::{self, Amount};
use weir_server::backup::{BackupError, back_up};
use weir_server::indexer::Indexer;
use weir_server::source::ChainFolder;

use super::{chain, indexed, indexer, is_good, options, program, prover, same_answers, says};

fn copy(data: &Path, to: &Path) -> weir_log::Copied {
    back_up(data, to, &mut |_, _| ()).unwrap()
}

#[bounded::test]
fn a_backup_taken_while_a_store_is_written_is_a_store_and_the_next_copies_what_is_new() {
    let (data, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let backup = to.path().join("backup");
    let folder = ChainFolder::open(chain()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut writer = Indexer::open(data.path(), options(), &folder, stop.clone()).unwrap();
    // At once, with a root and little more.
    let first = copy(data.path(), &backup);
    let ended = AtomicBool::new(false);
    let copies = thread::scope(|scope| {
        scope.spawn(|| {
            writer.run(|_| ()).unwrap();
            ended.store(true, Ordering::Relaxed);
        });
        let mut copies = vec![first];
        while !ended.load(Ordering::Relaxed) {
            copies.push(copy(data.path(), &backup));
        }
        copies
    });
    let ends: Vec<u64> = copies.iter().map(|copied| copied.end).collect();
    assert!(ends.is_sorted(), "{ends:?}");
    let last = copy(data.path(), &backup);
    assert!(last.segments + last.kept > 5, "{last:?}");
    let again = copy(data.path(), &backup);
    assert_eq!((again.segments, again.bytes, again.kept), (0, 0, last.segments + last.kept));
    // The folder is still open for writing.
    is_good(&backup);
    drop(writer);
    same_answers(&prover(&backup), &prover(data.path()), 0);
    is_good(&backup);
    // A copy that was served goes on being a copy.
    assert_eq!(copy(data.path(), &backup).segments, 0);
}

#[bounded::test]
fn a_server_goes_on_while_it_is_backed_up() {
    let (data, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut command = program();
    command.arg("serve").arg("--data").arg(data.path()).arg("--source");
    command.arg(format!("replay:{}", chain().display())).args(["--listen", "127.0.0.1:0"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = command.spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("serving"));
    let back_up = || {
        let [backup, data_option, to_option] = ["backup", "--data", "--to"].map(AsRef::as_ref);
        let (data, to) = (data.path().as_ref(), to.path().as_ref());
        says(&[backup, data_option, data, to_option, to], 0, &["has the blocks 0 up to"]);
    };
    back_up();
    is_good(to.path());
    let mut said = BufReader::new(server.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("indexed to its end")));
    back_up();
    server.kill().unwrap();
    server.wait().unwrap();
    is_good(to.path());
    same_answers(&prover(to.path()), &prover(data.path()), 0);
}

#[bounded::test]
fn a_backup_that_was_interrupted_goes_on() {
    let data = indexed(chain());
    let to = tempfile::tempdir().unwrap();
    let whole = copy(data.path(), to.path());
    let log = to.path().join("log");
    let mut names: Vec<_> =
        fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let segments: Vec<_> =
        names.iter().filter(|name| name.extension().is_some_and(|end| end == "segment")).collect();
    // As it is left by a kill within the first copy: nothing is announced, the newest is a draft.
    fs::remove_file(log.join("announced")).unwrap();
    fs::remove_file(to.path().join("weir.format")).unwrap();
    let newest = segments.last().unwrap();
    fs::rename(newest, newest.with_extension("segment.new")).unwrap();
    let rest = copy(data.path(), to.path());
    assert_eq!((rest.segments, rest.kept), (1, whole.segments - 1));
    is_good(to.path());
    same_answers(&prover(to.path()), &prover(data.path()), 0);
}

#[bounded::test]
fn what_is_no_copy_is_refused_and_left_alone() {
    let data = indexed(chain());
    let path = data.path();
    let (to, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = Config { seed: 16, ..Config::default() };
    archive::write(config, other.path(), Amount::Blocks(60), |_| ()).unwrap();
    let other = indexed(other.path());
    let run = |data: &Path, to: &Path, words: &[&str]| {
        let [backup, data_option, to_option] = ["backup", "--data", "--to"].map(AsRef::as_ref);
        says(&[backup, data_option, data.as_ref(), to_option, to.as_ref()], 1, words);
    };
    run(path, other.path(), &["is no backup of", "nothing was written"]);
    run(path, path, &["is the data folder itself"]);
    run(to.path(), path, &["is no data folder with blocks"]);
    fs::write(to.path().join("letter"), "dear").unwrap();
    run(path, to.path(), &["cannot use the folder of the backup"]);
    is_good(other.path());
    // The copy of a longer store.
    let short = tempfile::tempdir().unwrap();
    drop(indexer(short.path(), chain()));
    let refused = back_up(short.path(), path, &mut |_, _| ());
    assert!(matches!(refused, Err(BackupError::Ahead { .. })), "{refused:?}");
    // A server has it open.
    let copied = tempfile::tempdir().unwrap();
    copy(path, copied.path());
    let open = indexer(copied.path(), chain());
    run(path, copied.path(), &["cannot use the folder of the backup", "another weir-server"]);
    drop(open);
    is_good(copied.path());
}
