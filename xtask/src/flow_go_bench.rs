//! Weir measured beside flow-go, in turns.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::flow_go::go;
use crate::process::{go_is_there, succeed};

/// Builds both programs as their users do, lets them work in turns on the same chain, and prints a table.
///
/// Skips, and says so, without Go.
pub(crate) fn run(root: &Path, rounds: usize) -> anyhow::Result<()> {
    if !go_is_there("measuring beside flow-go") {
        return Ok(());
    }
    ensure!(cfg!(target_os = "linux"), "the processor's time is read from Linux's /proc");
    ensure!(rounds > 0, "there must be a round");
    let mut both = Both::start(root, &root.join("integration-tests/vectors").join(WIDE))?;
    let measured = both.measure(rounds)?;
    println!("microseconds of the processor's time, medians (least to most) of {rounds} rounds\n");
    println!("| work | flow-go | Weir | flow-go / Weir | Weir, in units |\n|---|---|---|---|---|");
    let found: HashMap<_, _> =
        ROWS.iter().zip(&measured).map(|(row, found)| (row.weir, found.weir.median)).collect();
    for (row, Measured { flow_go, weir }) in ROWS.iter().zip(&measured) {
        let (flow_go, ratio) = flow_go.as_ref().map_or(("–".into(), "–".into()), |flow_go| {
            (flow_go.to_string(), format!("{:.2}", flow_go.median / weir.median))
        });
        let units = weir.median / found["unit"];
        println!("| {} | {flow_go} | {weir} | {ratio} | {units:.2} |", row.name);
    }
    let part = |name: &str| found[name] / found["unit"];
    let floor =
        part("miller-3") + part("final-exp") + 2.0 * (part("hash-to-curve") + part("decode"));
    println!(
        "\nfloor of a QC alone: {floor:.2} units: three Miller loops, a final exponentiation,"
    );
    println!("two hashes to the curve, two signatures decoded and checked to be in the subgroup");
    Ok(())
}

/// A row of the table: the work that each program does for it.
struct Row {
    name: &'static str,
    flow_go: Option<&'static str>,
    weir: &'static str,
    by: By,
}

/// Who is asked for the work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The program itself.
    Program,
    /// A client, who asks the program's server.
    Client,
}

/// Both programs, and the client of their servers.
struct Both {
    flow_go: Worker,
    weir: Worker,
    client: Worker,
}

impl Both {
    fn start(root: &Path, chain: &Path) -> anyhow::Result<Self> {
        let flow_go = root.join("target/flow-go-bench");
        succeed(go(root).args(["build", "-buildvcs=false", "-o"]).arg(&flow_go).arg("."))?;
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "-p", "weir-integration-tests", "--example", "bench"]);
        succeed(cargo.current_dir(root))?;
        let weir = root.join("target/release/examples/bench");
        let (first, last) = SNAPSHOTS;
        Ok(Self {
            flow_go: Worker::start(Command::new(&flow_go).arg("bench").arg(chain))?,
            weir: Worker::start(Command::new(&weir).arg(chain))?,
            client: Worker::start(Command::new(&weir).arg("client").args([first, last]))?,
        })
    }

    /// Measures all rows in each round, one program after the other: the machine's speed drifts.
    fn measure(&mut self, rounds: usize) -> anyhow::Result<Vec<Measured>> {
        let mut times = Vec::new();
        for row in &ROWS {
            times.push(self.round(row, (None, None))?);
        }
        let mut micros = vec![(Vec::new(), Vec::new()); ROWS.len()];
        for _ in 0..rounds {
            for ((row, times), micros) in ROWS.iter().zip(&times).zip(&mut micros) {
                let (flow_go, weir) = times;
                let times = (flow_go.as_ref().map(|sample| sample.times), Some(weir.times));
                let (flow_go, weir) = self.round(row, times)?;
                micros.0.extend(flow_go.map(|sample| sample.micros()));
                micros.1.push(weir.micros());
            }
        }
        let measured = |(flow_go, weir)| Measured {
            flow_go: Spread::new(flow_go),
            weir: Spread::new(weir).expect("Weir has a part in every row"),
        };
        Ok(micros.into_iter().map(measured).collect())
    }

    /// Lets both do a row's work, flow-go where it has a part in it.
    fn round(
        &mut self,
        row: &Row,
        (flow_go, weir): (Option<usize>, Option<usize>),
    ) -> anyhow::Result<(Option<Sample>, Sample)> {
        let flow_go = row.flow_go.map(|work| self.sample(row, Of::FlowGo, work, flow_go));
        Ok((flow_go.transpose()?, self.sample(row, Of::Weir, row.weir, weir)?))
    }

    /// Lets one program do a row's work: as often as said, or else so often that it takes a while.
    fn sample(
        &mut self,
        row: &Row,
        of: Of,
        work: &str,
        times: Option<usize>,
    ) -> anyhow::Result<Sample> {
        let worker = match of {
            Of::FlowGo => &mut self.flow_go,
            Of::Weir => &mut self.weir,
        };
        let mut wanted = times.unwrap_or(1);
        loop {
            let begun = Instant::now();
            let before = processor_time(&worker.child)?;
            let done = match row.by {
                By::Program => worker.work(work, wanted),
                By::Client => self.client.work(&worker.address, wanted),
            };
            let done = done.with_context(|| row.name)?;
            let after = processor_time(&worker.child)?;
            if times.is_some() || begun.elapsed() >= ROUND {
                return Ok(Sample { times: done, nanos: spent(&before, &after) });
            }
            wanted = done * 2;
        }
    }
}

/// One of the two programs.
#[derive(Clone, Copy)]
enum Of {
    FlowGo,
    Weir,
}

/// A program that does work when it is asked, and ends with this value.
struct Worker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Worker {
    /// Starts it and waits until it is ready.
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().context("the input is piped")?;
        let output = BufReader::new(child.stdout.take().context("the output is piped")?);
        let mut worker = Self { child, input, output, address: String::new() };
        let line = worker.line().with_context(|| format!("{command:?}"))?;
        worker.address =
            line.strip_prefix("ready ").with_context(|| format!("found {line:?}"))?.to_owned();
        Ok(worker)
    }

    /// Lets it do a work, and returns how often it did it.
    fn work(&mut self, name: &str, times: usize) -> anyhow::Result<usize> {
        writeln!(self.input, "{name} {times}")?;
        self.line()?.parse().context("not how often the work was done")
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("the program ended");
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nanoseconds that each thread of a program has run.
///
/// The program waits for a line meanwhile, so the kernel's account is up to date.
fn processor_time(child: &Child) -> anyhow::Result<HashMap<String, u64>> {
    let mut threads = HashMap::new();
    for thread in fs::read_dir(format!("/proc/{}/task", child.id()))? {
        let path = thread?.path();
        // A thread may end meanwhile.
        let Ok(account) = fs::read_to_string(path.join("schedstat")) else { continue };
        let ran = account.split(' ').next().unwrap_or_default();
        threads.insert(path.display().to_string(), ran.parse().context("schedstat")?);
    }
    Ok(threads)
}

fn spent(before: &HashMap<String, u64>, after: &HashMap<String, u64>) -> u64 {
    let of_thread = |(thread, ran): (&String, &u64)| ran - before.get(thread).unwrap_or(&0);
    after.iter().map(of_thread).sum()
}

/// A round of one program.
struct Sample {
    times: usize,
    nanos: u64,
}

impl Sample {
    #[expect(clippy::cast_precision_loss, reason = "a few digits are printed")]
    fn micros(&self) -> f64 {
        self.nanos as f64 / 1000.0 / self.times as f64
    }
}

struct Measured {
    flow_go: Option<Spread>,
    weir: Spread,
}

/// Microseconds.
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn new(mut rounds: Vec<f64>) -> Option<Self> {
        rounds.sort_by(f64::total_cmp);
        let (least, most) = (*rounds.first()?, *rounds.last()?);
        Some(Self { least, median: rounds[rounds.len() / 2], most })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { least, median, most } = self;
        let digits = if *median < 10.0 { 2 } else { 0 };
        write!(formatter, "{median:.digits$} ({least:.digits$} to {most:.digits$})")
    }
}

const fn part(name: &'static str, weir: &'static str) -> Row {
    Row { name, flow_go: None, weir, by: By::Program }
}

const fn both(name: &'static str, flow_go: &'static str, weir: &'static str) -> Row {
    Row { name, flow_go: Some(flow_go), weir, by: By::Program }
}

/// The unit comes first.
const ROWS: [Row; 17] = [
    part("one verification by blst: the unit", "unit"),
    part("Miller loop of one pair", "miller-1"),
    part("Miller loop of three pairs", "miller-3"),
    part("the same over prepared lines, one by one", "miller-3-prepared"),
    part("final exponentiation", "final-exp"),
    part("hash to the curve", "hash-to-curve"),
    part("subgroup check of a signature", "subgroup-check"),
    part("decoding a signature, that check included", "decode"),
    both("BLS signature, alone", "bls", "bls"),
    both("QC of 80 signers, alone", "qc", "qc"),
    both("QC of 80 signers, in batches", "qc", "qc-batch"),
    both("TC with its newest QC", "tc", "tc"),
    both("protocol-state step without events", "step", "step"),
    both("payload hash and block ID", "block-id", "block-id"),
    both("full identity table", "identities", "identities"),
    both("the same, with Weir's proof", "identities", "identities-proof"),
    Row {
        name: "snapshot by RPC, the server's time",
        flow_go: Some("snapshot"),
        weir: "snapshot",
        by: By::Client,
    },
];
/// The reference chain whose committee signs with 80 nodes.
const WIDE: &str = "wide-462-nodes";
/// The first and last height of that chain whose snapshots are asked for, all finalized.
const SNAPSHOTS: (&str, &str) = ("1003", "1022");
/// A round takes about as long at least, or twice as long.
const ROUND: Duration = Duration::from_millis(40);
