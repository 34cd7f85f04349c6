//! A server on a disk that fills up goes on by itself when there is space, ends when it is told to, and
//! loses nothing.
//!
//! On a small tmpfs of its own; where none can be mounted, the test says so and passes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use weir_integration_tests::programs::{Program, ServerProcess};

use crate::server_info::info_is;

/// Blocks of the chain, some 3 MB.
const BLOCKS: &str = "1500";
/// A little more than the server keeps free, and room for all.
const SIZES: [&str; 2] = ["size=66m", "size=200m"];

/// A tmpfs, as long as it lasts.
struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZES[0], "tmpfs"]).arg(at);
        mount.output().is_ok_and(|ran| ran.status.success()).then_some(Self(at))
    }

    fn grow(&self) {
        let remount = format!("remount,{}", SIZES[1]);
        let ran = Command::new("mount").args(["-o", &remount]).arg(self.0).status().unwrap();
        assert!(ran.success());
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

async fn until_full(server: &ServerProcess) -> u64 {
    info_is(server, |info| info.sync_state == "disk_full").await.blocks_indexed
}

#[bounded::test]
async fn a_full_disk_loses_nothing_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let Some(tmpfs) = Tmpfs::mount(&disk) else {
        println!("skipped: a_full_disk_loses_nothing_and_holds_nobody_up: no tmpfs can be mounted");
        return;
    };
    let (data, chain) = (disk.join("data"), folder.path().join("chain"));
    let make = ["devnet", "--blocks", BLOCKS, "--out", chain.to_str().unwrap()];
    Program::Server.run(make).await.expect(0, &[]);
    let server = ServerProcess::start(&data, &chain).await.unwrap();
    let blocks = until_full(&server).await;
    assert!(blocks > 0);
    // Told to end while it is full, it does.
    server.terminate().await.expect(0, &["the disk is full"]);
    let mut server = ServerProcess::start(&data, &chain).await.unwrap();
    assert!(until_full(&server).await >= blocks, "what was announced is there");
    tmpfs.grow();
    // With space it goes on by itself.
    server.indexed().await;
    server.terminate().await.expect(0, &[]);
    let arguments = ["fsck".as_ref(), "--data".as_ref(), data.as_os_str()];
    Program::Server.run(arguments).await.expect(0, &[]);
}
