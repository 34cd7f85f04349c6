//! Prints what a log on this disk does a second: `cargo run --release -p weir-log --example rates --
//! FOLDER RECORDS BODY_BYTES BATCH`. The folder has to be empty; what is written stays there.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use weir_log::testing::Chance;
use weir_log::{Disk, Log, LogOptions, Record, verify};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, numbers @ ..] = arguments.as_slice() else { return Err(USAGE.into()) };
    let numbers: Vec<usize> =
        numbers.iter().map(|number| number.parse()).collect::<Result<_, _>>()?;
    let [count, body_bytes, batch] = numbers[..] else { return Err(USAGE.into()) };
    let count = count as u64;
    let files = Arc::new(Disk::new(folder)?);
    let mut log = Log::open(files.clone(), LogOptions::default())?;

    let begun = Instant::now();
    append(&mut log, count, body_bytes, batch.max(1) as u64)?;
    report("append", count, begun);
    let begun = Instant::now();
    log.append(&[record(count, body_bytes)])?;
    report("append one, durable", 1, begun);
    drop(log);

    read(&files, count)?;
    println!("resident at most, without verifying: {}", resident());
    let begun = Instant::now();
    let checked = verify(&*files, &mut |_| ())?;
    report("verify", checked.records, begun);
    println!("whole: {}, resident at most: {}", checked.is_whole(), resident());
    println!("{} bytes a record on disk", bytes(Path::new(folder))? / count);
    Ok(())
}

fn read(files: &Arc<Disk>, count: u64) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let log = Log::open(files.clone(), LogOptions::default())?;
    report("open", 1, begun);
    let reader = log.reader();
    let mut chance = Chance::new(1);
    let begun = Instant::now();
    for _ in 0..READS {
        let ordinal = chance.draw() % count;
        reader.read(ordinal)?.ok_or("a record that is not there")?;
    }
    report("read at random", READS, begun);
    let begun = Instant::now();
    let mut next = 0;
    while next < count {
        next += reader.read_range(next..count, PAGE_BYTES)?.len() as u64;
    }
    report("read in order", count, begun);
    Ok(())
}

fn append(log: &mut Log, count: u64, body_bytes: usize, batch: u64) -> Result<(), Box<dyn Error>> {
    let mut next = 0;
    while next < count {
        let end = (next + batch).min(count);
        let records: Vec<Record> = (next..end).map(|ordinal| record(ordinal, body_bytes)).collect();
        log.append(&records)?;
        if log.segment_is_full() {
            log.begin_segment(b"state")?;
        }
        next = end;
    }
    Ok(())
}

/// Half of a body is hashes, half compresses.
fn record(ordinal: u64, body_bytes: usize) -> Record {
    let mut chance = Chance::new(ordinal);
    let mut body = Vec::with_capacity(body_bytes + 64);
    while body.len() < body_bytes {
        (0..4).for_each(|_| body.extend_from_slice(&chance.draw().to_le_bytes()));
        body.extend_from_slice(b"0123456789abcdef0123456789abcdef");
    }
    body.truncate(body_bytes);
    Record { id: id(ordinal + 1), parent: id(ordinal), body }
}

fn id(ordinal: u64) -> [u8; 32] {
    let mut chance = Chance::new(!ordinal);
    let mut id = [0; 32];
    id.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&chance.draw().to_le_bytes()));
    id
}

fn report(work: &str, count: u64, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    let micros = 1e6 * seconds / count as f64;
    println!(
        "{work}: {count} in {seconds:.3} s, {micros:.1} us each, {:.0}/s",
        count as f64 / seconds
    );
}

/// What the system says this process took at most, where it says so.
fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap_or("unknown").trim().to_owned()
}

fn bytes(folder: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        sum += entry?.metadata()?.len();
    }
    Ok(sum)
}

const USAGE: &str = "rates FOLDER RECORDS BODY_BYTES BATCH";
const READS: u64 = 100_000;
const PAGE_BYTES: usize = 4 << 20;
