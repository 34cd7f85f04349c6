//! For cutting the power of a real disk: `outlast append FOLDER` appends until it is stopped and prints the end
//! after each append that succeeded; `outlast check FOLDER END` fails if the log has less, or is not whole.
//! After an error it recovers, and prints what happened.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use weir_log::testing::Chance;
use weir_log::{Disk, Entry, Log, LogOptions, Record, verify};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["append", folder] => append(folder),
        ["check", folder, end] => check(folder, end.parse()?),
        _ => Err("append FOLDER, or check FOLDER END".into()),
    }
}

fn append(folder: &str) -> Result<(), Box<dyn Error>> {
    let mut log = Log::open(Arc::new(Disk::new(folder)?), OPTIONS)?;
    let mut out = std::io::stdout();
    let mut refused = 0;
    while refused < REFUSED_MAX {
        let end = log.reader().end();
        let batch: Vec<Record> = (end..end + 1 + end % 5).map(record).collect();
        let appended = log.append(&batch).and_then(|()| {
            writeln!(out, "{}", log.reader().end()).ok();
            if log.segment_is_full() { log.begin_segment(&[7; 3000]) } else { Ok(()) }
        });
        if let Err(e) = appended {
            refused += 1;
            writeln!(out, "refused: {e}, full: {}", e.is_full())?;
            if log.needs_recover()
                && let Err(e) = log.recover()
            {
                writeln!(out, "not recovered: {e}")?;
            }
        }
    }
    Ok(())
}

fn check(folder: &str, end: u64) -> Result<(), Box<dyn Error>> {
    let files = Arc::new(Disk::new(folder)?);
    let log = Log::open(files.clone(), OPTIONS)?;
    let reader = log.reader();
    if reader.end() < end {
        return Err(format!("{end} were announced, {} are there", reader.end()).into());
    }
    for ordinal in reader.first()..reader.end() {
        let read = reader.read(ordinal)?.and_then(Entry::record);
        if read != Some(record(ordinal)) {
            return Err(format!("{ordinal} is another record").into());
        }
    }
    let report = verify(&*files, &mut |_| ())?;
    if !report.is_whole() {
        return Err(format!("not whole: {:?}", report.findings).into());
    }
    println!("{} of {end} at least, in {} segments", reader.end(), report.segments);
    Ok(())
}

fn record(ordinal: u64) -> Record {
    let mut chance = Chance::new(ordinal);
    let words = chance.below(300);
    let body = (0..words).flat_map(|_| chance.draw().to_le_bytes()).collect();
    Record { id: id(ordinal + 1), parent: id(ordinal), body }
}

fn id(ordinal: u64) -> [u8; 32] {
    let mut chance = Chance::new(!ordinal);
    let mut id = [0; 32];
    id.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&chance.draw().to_le_bytes()));
    id
}

/// Segments of some forty records, so that many are begun.
const OPTIONS: LogOptions = LogOptions { segment_bytes: 50_000, reserve_bytes: 0 };
const REFUSED_MAX: u32 = 20_000;
