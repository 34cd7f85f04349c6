//! File systems that tests may break.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::process::succeed;

/// A file system of its own, until it is dropped.
pub(super) struct Device {
    /// The file that is its disk; none for one in memory.
    image: Option<PathBuf>,
    at: PathBuf,
}

impl Device {
    /// An ext4 on a loop device; none where it cannot be made or mounted.
    pub(super) fn ext4(folder: &Path) -> anyhow::Result<Option<Self>> {
        let device = Self::in_folder(folder, Some(folder.join("disk")))?;
        let image = folder.join("disk");
        File::create(&image)?.set_len(DISK_BYTES)?;
        let made = quietly(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image));
        Ok((made && device.mount()).then_some(device))
    }

    /// A file system in memory; none where it cannot be mounted.
    pub(super) fn memory(folder: &Path) -> anyhow::Result<Option<Self>> {
        let device = Self::in_folder(folder, None)?;
        Ok(device.mount().then_some(device))
    }

    fn in_folder(folder: &Path, image: Option<PathBuf>) -> anyhow::Result<Self> {
        let at = folder.join("mounted");
        // What an earlier run may have left.
        quietly(Command::new("umount").arg(&at));
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        fs::create_dir_all(&at)?;
        Ok(Self { image, at })
    }

    /// Where it is mounted.
    pub(super) fn path(&self) -> &Path {
        &self.at
    }

    fn mount(&self) -> bool {
        let mut mount = Command::new("mount");
        match &self.image {
            Some(image) => mount.args(["-o", "loop"]).arg(image),
            None => mount.args(["-t", "tmpfs", "-o", MEMORY_SIZE, "tmpfs"]),
        };
        quietly(mount.arg(&self.at))
    }

    /// Stops the file system as it is: nothing that is in memory alone reaches the disk any more.
    pub(super) fn cut(&self) -> anyhow::Result<()> {
        succeed(Command::new("perl").args(["-e", SHUT_DOWN]).arg(&self.at))
    }

    /// Mounts what the disk has, as after a start of the machine.
    pub(super) fn start_again(&self) -> anyhow::Result<()> {
        succeed(Command::new("umount").arg(&self.at))?;
        if !self.mount() {
            bail!("the disk cannot be mounted again");
        }
        Ok(())
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        quietly(Command::new("umount").arg("-l").arg(&self.at));
    }
}

/// Whether a command succeeds; what it says is left out.
fn quietly(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

const DISK_BYTES: u64 = 1 << 30;
/// More than the reserve of a store, and a chain.
const MEMORY_SIZE: &str = "size=256m";
/// `EXT4_IOC_SHUTDOWN` without flushing the journal: `_IOR('X', 125, u32)`, flag 2. Rust has no safe
/// call for it.
const SHUT_DOWN: &str = r#"open(my $f, "<", $ARGV[0]) or die; ioctl($f, 0x8004587d, my $flags = pack("L", 2)) or die "$!""#;
