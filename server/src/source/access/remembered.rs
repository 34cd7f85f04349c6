//! What is remembered of upstreams over a restart: who is set aside and why, and whose blocks were
//! being taken in when the process ended.
//!
//! One small JSON file an upstream that is set aside, so that deleting the file forgives it, and one
//! for the other question. Files are replaced by renaming, so that a kill at any byte leaves the old
//! one or the new one. What another version of Weir wrote counts for nothing: the older one may have
//! been wrong, and an upstream that is wrong shows it again with one answer.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use weir_protocol::codec::entity_id;

use crate::VERSION;

/// The folder of what is remembered.
#[derive(Debug)]
pub(super) struct Remembered {
    dir: PathBuf,
    taking_in: Mutex<TakingIn>,
}

/// Whose blocks are being taken in.
#[derive(Debug, Default)]
struct TakingIn {
    /// Final height and upstream, as the file has them.
    written: Option<(Option<u64>, Option<String>)>,
    /// The final height at which the ends were counted.
    height: Option<u64>,
    /// How often the process ended while it took in blocks, by upstream.
    ends: BTreeMap<String, u32>,
    /// Nothing is written any more.
    ended: bool,
}

impl Remembered {
    /// Reads the folder, which need not exist.
    pub(super) fn open(dir: &Path) -> Self {
        let path = dir.join(TAKING_IN);
        let taking_in = match read(&path) {
            Ok(Some(value)) => TakingIn::from_json(&value),
            Ok(None) => TakingIn::default(),
            // A hint only: an upstream that is followed in spite of it leaves a new one.
            Err(error) => {
                let path = path.display();
                tracing::warn!(%path, %error, "passed over: it is not known whose blocks were taken in");
                TakingIn::default()
            }
        };
        Self { dir: dir.to_owned(), taking_in: Mutex::new(taking_in) }
    }

    /// Returns why an upstream is set aside by this version of Weir.
    ///
    /// A file that cannot be read is a verdict too: its name says of whom, and nobody forgave it.
    pub(super) fn set_aside(&self, url: &str) -> Option<String> {
        let path = self.file_of(url);
        match read(&path) {
            Ok(Some(value)) if value["weir"] == VERSION => {
                Some(value["reason"].as_str().unwrap_or("no reason is kept").to_owned())
            }
            // Another version's file stays, for that version.
            Ok(Some(value)) => {
                let version = value["weir"].as_str();
                tracing::info!(
                    upstream = url,
                    version,
                    "another version set it aside: it is asked"
                );
                None
            }
            Ok(None) => None,
            Err(error) => Some(format!("{} cannot be read: {error}", path.display())),
        }
    }

    /// Keeps on disk why an upstream is set aside, and returns in which file.
    pub(super) fn keep(&self, url: &str, reason: &str) -> io::Result<PathBuf> {
        let content = json!({ "weir": VERSION, "upstream": url, "reason": reason });
        let file = self.file_of(url);
        self.replace(&file, &content, Outlives::Machine)?;
        Ok(file)
    }

    /// The file that says why an upstream is set aside.
    pub(super) fn file_of(&self, url: &str) -> PathBuf {
        let readable = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let name: String = url.trim_start_matches("http://").chars().map(readable).collect();
        let name: String = name.trim_end_matches('-').chars().take(NAME_CHARS).collect();
        let hash = &entity_id(url.as_bytes()).to_hex()[..HASH_CHARS];
        self.dir.join(format!("set-aside-{name}-{hash}.json"))
    }

    /// Returns how often the process ended while it took in blocks of an upstream, since one of them
    /// became final; at most 1 where one did, as such an end says little.
    pub(super) fn unfinished_ends(&self, url: &str) -> u32 {
        self.lock().ends.get(url).copied().unwrap_or_default()
    }

    /// Hears the latest final height before anybody is asked, once the data folder is this process's.
    pub(super) fn begin(&self, final_height: Option<u64>) -> io::Result<()> {
        let mut taking_in = self.lock();
        if taking_in.height < final_height {
            taking_in.ends.values_mut().for_each(|count| *count = (*count).min(1));
        }
        taking_in.height = final_height;
        if taking_in.ends.is_empty() { Ok(()) } else { self.write(&mut taking_in, None) }
    }

    /// Marks that blocks of an upstream are taken in from here on.
    pub(super) fn taking_in(&self, url: &str, final_height: Option<u64>) -> io::Result<()> {
        let mut taking_in = self.lock();
        if taking_in.height < final_height {
            taking_in.ends.clear();
            taking_in.height = final_height;
        }
        self.write(&mut taking_in, Some(url))
    }

    /// Writes the mark, at most once for one upstream and height.
    fn write(&self, taking_in: &mut TakingIn, upstream: Option<&str>) -> io::Result<()> {
        let now = (taking_in.height, upstream.map(str::to_owned));
        if taking_in.ended || taking_in.written.as_ref() == Some(&now) {
            return Ok(());
        }
        let content = json!({
            "weir": VERSION,
            "upstream": upstream,
            "final_height": taking_in.height,
            "unfinished_ends": taking_in.ends,
        });
        self.replace(&self.dir.join(TAKING_IN), &content, Outlives::Process)?;
        taking_in.written = Some(now);
        Ok(())
    }

    /// Takes the mark away for now: nobody's blocks are being taken in.
    pub(super) fn pause(&self) {
        self.remove(&mut self.lock());
    }

    /// Takes the mark away for good: the process goes on without taking in blocks, or ends as it was
    /// asked to.
    pub(super) fn ended(&self) {
        let mut taking_in = self.lock();
        taking_in.ended = true;
        self.remove(&mut taking_in);
    }

    fn remove(&self, taking_in: &mut TakingIn) {
        taking_in.written = None;
        match fs::remove_file(self.dir.join(TAKING_IN)) {
            Err(error) if !is_absence(&error) => {
                tracing::warn!(%error, "the mark of an unfinished run cannot be removed");
            }
            _ => {}
        }
    }

    /// Replaces a file at once.
    fn replace(&self, path: &Path, content: &Value, outlives: Outlives) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(format!("{content:#}\n").as_bytes())?;
        match outlives {
            Outlives::Process => fs::rename(&new, path),
            Outlives::Machine => {
                // The content is on the disk before its name.
                file.sync_all()?;
                fs::rename(&new, path)?;
                File::open(&self.dir)?.sync_all()
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, TakingIn> {
        self.taking_in.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a file has to outlive; one that outlives the machine is flushed to the disk.
#[derive(Clone, Copy)]
enum Outlives {
    Process,
    Machine,
}

impl TakingIn {
    /// What is remembered, with one more end for the upstream that was being followed.
    fn from_json(value: &Value) -> Self {
        if value["weir"] != VERSION {
            return Self::default();
        }
        let counts = value["unfinished_ends"].as_object().into_iter().flatten();
        let count = |value: &Value| value.as_u64().and_then(|count| u32::try_from(count).ok());
        let counts = counts.filter_map(|(url, value)| Some((url.clone(), count(value)?)));
        let mut ends: BTreeMap<_, _> = counts.collect();
        if let Some(upstream) = value["upstream"].as_str() {
            let count: &mut u32 = ends.entry(upstream.to_owned()).or_default();
            *count = count.saturating_add(1);
        }
        Self { height: value["final_height"].as_u64(), ends, ..Self::default() }
    }
}

/// The content of a file that some version of Weir wrote, if there is one.
fn read(path: &Path) -> io::Result<Option<Value>> {
    let content = match fs::read(path) {
        Ok(content) => content,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let value: Value = serde_json::from_slice(&content)?;
    if value["weir"].is_string() {
        Ok(Some(value))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "no version of Weir is named in it"))
    }
}

/// Also where something else is in the folder's place: nothing about anybody is in there.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The file that marks whose blocks are being taken in.
const TAKING_IN: &str = "taking-in.json";
/// Characters of a URL that its file's name shows, for people.
const NAME_CHARS: usize = 80;
/// Digits of the URL's hash that its file's name has, so that no two URLs share one.
const HASH_CHARS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "http://127.0.0.1:9000/";
    const B: &str = "http://127.0.0.1:9000/b";

    /// A run that ends without a word while it takes in blocks of an upstream.
    fn killed(dir: &Path, final_height: u64, url: &str) -> [u32; 2] {
        let remembered = Remembered::open(dir);
        remembered.begin(Some(final_height)).unwrap();
        let counts = [A, B].map(|url| remembered.unfinished_ends(url));
        remembered.taking_in(url, Some(final_height)).unwrap();
        counts
    }

    #[bounded::test]
    fn ends_are_counted_until_a_block_becomes_final() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(killed(dir.path(), 5, A), [0, 0]);
        assert_eq!(killed(dir.path(), 5, A), [1, 0]);
        assert_eq!(killed(dir.path(), 5, B), [2, 0]);
        assert_eq!(killed(dir.path(), 5, B), [2, 1]);
        assert_eq!(killed(dir.path(), 6, B), [1, 1]);
        // Killed before anybody was asked, nobody is the cause.
        Remembered::open(dir.path()).begin(Some(6)).unwrap();
        let again = Remembered::open(dir.path());
        assert_eq!([A, B].map(|url| again.unfinished_ends(url)), [1, 2]);
        again.ended();
        assert_eq!(killed(dir.path(), 6, A), [0, 0]);
    }

    #[bounded::test]
    fn a_verdict_is_of_one_url_and_one_version() {
        let dir = tempfile::tempdir().unwrap();
        let remembered = Remembered::open(dir.path());
        remembered.keep(A, "it lies").unwrap();
        let reopened = Remembered::open(dir.path());
        assert_eq!(reopened.set_aside(A).as_deref(), Some("it lies"));
        assert_eq!(reopened.set_aside(B), None);
        let path = reopened.file_of(A);
        let text = fs::read_to_string(&path).unwrap();
        for version in ["0.0.0", "99.0.0-new"] {
            fs::write(&path, text.replace(VERSION, version)).unwrap();
            assert_eq!(reopened.set_aside(A), None);
        }
    }

    #[bounded::test]
    fn a_verdict_that_cannot_be_read_holds() {
        let dir = tempfile::tempdir().unwrap();
        let remembered = Remembered::open(dir.path());
        remembered.keep(A, "it lies").unwrap();
        let path = remembered.file_of(A);
        let text = fs::read(&path).unwrap();
        let cuts = (0..text.len() - 1).map(|cut| text[..cut].to_vec());
        let others = [&b"null"[..], b"[]", b"{}", b"{\"weir\": 1}", &[0xff; 9]].map(<[u8]>::to_vec);
        for content in cuts.chain(others) {
            fs::write(&path, content).unwrap();
            let reason = remembered.set_aside(A).unwrap();
            assert!(reason.contains(&path.display().to_string()), "{reason}");
            assert_eq!(remembered.set_aside(B), None);
        }
        // But nothing is in a file that is where the folder should be.
        assert_eq!(Remembered::open(&path).set_aside(A), None);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        remembered.set_aside(A).unwrap();
    }

    #[bounded::test]
    fn a_mark_that_cannot_be_read_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        killed(dir.path(), 5, A);
        let path = dir.path().join(TAKING_IN);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(killed(dir.path(), 5, A), [1, 0]);
        let other_version = text.replace(VERSION, "99.0.0");
        let odd = text.replace(&format!("\"{A}\""), "3");
        for content in ["", "{", "null", "{\"weir\": []}", &text[..9], &other_version, &odd] {
            fs::write(&path, content).unwrap();
            assert_eq!(killed(dir.path(), 5, A), [0, 0], "{content}");
        }
    }
}
