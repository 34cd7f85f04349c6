//! The power of a real file system is cut while a server writes, or has just ended.

use std::path::Path;
use std::time::Duration;

use super::Loop;
use super::device::Device;
use super::store::{BLOCKS, PATIENCE};
use super::trials::Trials;

pub(super) fn run(root: &Path, options: &Loop) -> anyhow::Result<()> {
    let folder = root.join("target/damage/power");
    let Some(device) = Device::ext4(&folder)? else {
        println!("SKIPPED: power: no ext4 can be made and mounted on a loop device here");
        return Ok(());
    };
    let mut trials = Trials::begin(root, "power-chain", &device, options)?;
    let mut fresh = 0;
    while trials.goes_on()? {
        let Trials { programs, rounds, store, .. } = &mut trials;
        fresh += u64::from(store.announced == 0);
        let mut server = store.serve(programs)?;
        let more = rounds.below(BLOCKS / 2);
        let within = if rounds.below(5) == 0 { Duration::from_millis(more) } else { PATIENCE };
        let target = (store.announced + more).min(BLOCKS + 1);
        store.watch(&mut server, target, within)?;
        if rounds.below(4) == 0 {
            // What a clean end leaves has to be on the disk.
            server.terminate()?;
        }
        device.cut()?;
        server.kill()?;
        device.start_again()?;
        trials.check()?;
    }
    let Trials { rounds, none, mended, compared, .. } = trials;
    println!(
        "{} power cuts, {fresh} of stores just begun: nothing announced is gone; {none} had no store \
         yet, {mended} were mended by fsck --repair, {compared} were completed and as undisturbed",
        rounds.done
    );
    Ok(())
}
