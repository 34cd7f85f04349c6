//! What is said where nobody takes it.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use weir_log::testing::copy_folder;

use super::kill::{small_chain, store};
use super::program;

/// Writing to it fails, as on a full disk.
fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

#[bounded::test]
fn nothing_panics_and_no_work_is_lost_when_output_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    copy_folder(store(), &data);
    let mut serve = program();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).arg("--source");
    serve.arg(format!("replay:{}", small_chain().display()));
    let mut server = serve.stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(server.stderr.take().unwrap());
    let mut lines = said.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("indexed to its end")), "it ended");
    let id = server.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(server.wait().unwrap().code(), Some(0));
    let key = folder.path().join("key");
    let commands: [&[&OsStr]; 3] = [
        &["fsck".as_ref(), "--data".as_ref(), data.as_ref()],
        &["migrate".as_ref(), "--data".as_ref(), data.as_ref()],
        &["receipt-key".as_ref(), key.as_ref()],
    ];
    for arguments in commands {
        let told = program().args(arguments).stdout(full()).output().unwrap();
        let message = String::from_utf8(told.stderr).unwrap();
        assert!(
            message.contains("standard output could not be written"),
            "{arguments:?}: {message}"
        );
        assert!(!message.contains("panicked"), "{message}");
        assert_eq!(told.status.code(), Some(1), "{arguments:?}: {message}");
        let alone = program().args(arguments).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(alone.code(), Some(1), "{arguments:?}");
        let heard = program().args(arguments).output().unwrap();
        assert_eq!(heard.status.code(), Some(0), "{arguments:?}: {heard:?}");
    }
}
