//! The folder that keeps what servers did wrong, within bounds: who lies again and again fills no disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use weir_protocol::codec::sha3_256;
use weir_protocol::model::Identifier;
use weir_verifier::Misbehaviour;

/// The folder.
#[derive(Debug)]
pub(crate) struct EvidenceFolder {
    path: PathBuf,
}

impl EvidenceFolder {
    /// The folder below that of the state; it need not exist.
    pub(crate) fn below(state: &Path) -> Self {
        Self { path: state.join(EXTENSION) }
    }

    /// Where a file of this name would be.
    pub(crate) fn file(&self, name: &Path) -> PathBuf {
        self.path.join(name)
    }

    /// The files that are kept.
    pub(crate) fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let path = &self.path;
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
        paths.with_context(|| format!("cannot read {}", path.display()))
    }

    /// The file for what a server did, and its bytes; the name says whether the file convicts it, and
    /// which server it is about.
    ///
    /// # Errors
    /// When enough of it is kept already.
    pub(crate) fn admit(
        &self,
        found: &Misbehaviour,
        checkpoint: Identifier,
    ) -> anyhow::Result<(PathBuf, Vec<u8>)> {
        let bytes = found.to_bytes();
        let convicts = found.verify(checkpoint).is_ok_and(|finding| finding.convicts());
        let kind = if convicts { "proved" } else { "word" };
        let of_server = format!("{kind}-{}-", short(found.server.as_bytes()));
        let path = self.file(Path::new(&format!("{of_server}{}.{EXTENSION}", short(&bytes))));
        let kept = self.files()?;
        if !kept.contains(&path) {
            self.has_room(&kept, &of_server, bytes.len() as u64)?;
        }
        fs::create_dir_all(&self.path)
            .with_context(|| format!("cannot make {}", self.path.display()))?;
        Ok((path, bytes))
    }

    /// Whether one more file is kept.
    fn has_room(&self, kept: &[PathBuf], of_server: &str, bytes: u64) -> anyhow::Result<()> {
        let name =
            |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let same = kept.iter().filter(|path| name(path).starts_with(of_server)).count();
        if same >= FILES_OF_SERVER_MAX {
            bail!("{same} files about this server are kept already: what it said is not kept");
        }
        let len = |path: &PathBuf| fs::metadata(path).map_or(0, |found| found.len());
        let total = kept.iter().map(len).fold(bytes, u64::saturating_add);
        if total > FOLDER_BYTES_MAX {
            let path = self.path.display();
            bail!("{path} is full ({FOLDER_BYTES_MAX} bytes): delete what is not needed from it");
        }
        Ok(())
    }
}

/// The beginning of a hash.
fn short(bytes: &[u8]) -> String {
    sha3_256(&[bytes]).to_hex()[..16].to_owned()
}

/// The folder's name, and how its files end.
const EXTENSION: &str = "evidence";
/// Most files about one server that convict it, and as many that do not.
const FILES_OF_SERVER_MAX: usize = 4;
/// Most bytes in the folder: 256 MiB, at least one file of the greatest length.
const FOLDER_BYTES_MAX: u64 = 256 << 20;
