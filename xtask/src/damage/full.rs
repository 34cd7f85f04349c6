//! Somebody else fills the disk of a server to the last byte.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::time::Duration;

use super::Loop;
use super::device::Device;
use super::store::{BLOCKS, PATIENCE};
use super::trials::Trials;

pub(super) fn run(root: &Path, options: &Loop) -> anyhow::Result<()> {
    let folder = root.join("target/damage/full");
    let Some(device) = Device::memory(&folder)? else {
        println!("SKIPPED: full: no tmpfs can be mounted here");
        return Ok(());
    };
    let mut trials = Trials::begin(root, "full-chain", &device, options)?;
    let ballast = device.path().join("ballast");
    let (mut killed, mut ended, mut went_on) = (0, 0, 0);
    while trials.goes_on()? {
        let Trials { programs, rounds, store, .. } = &mut trials;
        let mut server = store.serve(programs)?;
        let target = (store.announced + rounds.below(BLOCKS / 2)).min(BLOCKS + 1);
        store.watch(&mut server, target, PATIENCE)?;
        fill(&ballast)?;
        store.watch(&mut server, BLOCKS + 1, Duration::from_millis(rounds.below(400)))?;
        match rounds.below(3) {
            0 => {
                server.kill()?;
                killed += 1;
            }
            1 => {
                server.terminate()?;
                ended += 1;
            }
            _ => {
                fs::remove_file(&ballast)?;
                store.watch(&mut server, BLOCKS + 1, Duration::from_millis(rounds.below(2000)))?;
                server.terminate()?;
                went_on += 1;
            }
        }
        if ballast.exists() {
            fs::remove_file(&ballast)?;
        }
        trials.check()?;
    }
    let Trials { rounds, mended, compared, .. } = trials;
    println!(
        "{} times full: {killed} killed, {ended} told to end, {went_on} given space again; nothing \
         announced is gone; {mended} were mended by fsck --repair, {compared} were completed and as \
         undisturbed",
        rounds.done
    );
    Ok(())
}

/// Takes all the space there is.
fn fill(ballast: &Path) -> anyhow::Result<()> {
    let mut file = File::create(ballast)?;
    for length in [1 << 20, 1 << 12, 1] {
        let bytes = vec![1; length];
        loop {
            match file.write(&bytes) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
