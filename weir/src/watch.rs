//! `weir watch`: events as they are proved.

use std::io;
use std::pin::pin;
use std::str::FromStr;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use clap::Args;
use weir_client::sync::AskError;
use weir_client::watch::{
    Cursor, CursorError, Event, Filter, Kind, Level, Start, Watch, WatchError, WatchOptions,
};
use weir_protocol::model::{Identifier, Role};
use weir_protocol::protocol_state::ScheduledUpgrade;

use super::args::Arguments;
use super::say::say;
use super::session::Session;
use super::state_folder::StateFolder;
use super::{events, evidence, stdout, upgrade};

/// What to tell.
#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    /// Changes of the epoch: counter, phase, views, fallback mode
    #[arg(long)]
    epoch: bool,
    /// Changes of the identity table
    #[arg(long)]
    identities: bool,
    /// Upgrades of the protocol state's version
    #[arg(long)]
    upgrades: bool,
    /// When this block is certified, finalized and sealed, or orphaned; may be given several times.
    /// With blocks alone the command ends when all are decided
    #[arg(long, value_name = "ID")]
    block: Vec<Identifier>,
    /// Of changes of the identity table those of this role; may be given several times
    #[arg(long, value_name = "ROLE")]
    role: Vec<Role>,
    /// Of changes of the identity table those of this node; may be given several times
    #[arg(long, value_name = "ID")]
    node: Vec<Identifier>,
    /// How far a block must be before its changes are told: certified (soonest, and reverted should
    /// it be orphaned), finalized or sealed
    #[arg(long, default_value = "finalized")]
    level: Level,
    /// Begin after a height, or after the event that had this cursor, instead of now
    #[arg(long, value_name = "HEIGHT|CURSOR")]
    after: Option<After>,
    /// End after so many events
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
    /// Try again for so long when no server answers
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    #[arg(value_parser = humantime::parse_duration)]
    patience: Duration,
}

/// A height or a cursor.
#[derive(Clone, Copy, Debug)]
struct After(Start);

impl FromStr for After {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let height = text.parse().map(Start::Height);
        height.or_else(|_| text.parse::<Cursor>().map(Start::After)).map(Self)
    }
}

impl WatchArguments {
    fn options(&self) -> WatchOptions {
        WatchOptions {
            level: self.level,
            start: self.after.map_or(Start::Latest, |after| after.0),
            filter: self.filter(),
            block_ids: self.block.clone(),
            ..WatchOptions::default()
        }
    }

    fn filter(&self) -> Filter {
        let mut filter = if self.only_blocks() { Filter::nothing() } else { Filter::default() };
        let kinds = [
            (self.epoch, Kind::Epoch),
            (self.identities, Kind::Identity),
            (self.upgrades, Kind::Version),
        ];
        for (_, kind) in kinds.into_iter().filter(|(wanted, _)| *wanted) {
            filter = filter.kind(kind);
        }
        filter = self.role.iter().fold(filter, |filter, role| filter.role(*role));
        self.node.iter().fold(filter, |filter, node| filter.node(*node))
    }

    fn only_blocks(&self) -> bool {
        let any_change = self.epoch || self.identities || self.upgrades;
        !self.block.is_empty() && !any_change
    }
}

/// Prints events until it is interrupted, and keeps what is proved with each.
pub(crate) async fn run(arguments: &Arguments, watched: &WatchArguments) -> anyhow::Result<u8> {
    let Session { client, folder } = Session::begin(arguments).await?;
    let mut keeper = Keeper { folder, told: 0, remarked: 0, warned: None };
    let mut watch = Watch::new(client, watched.options());
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut left = watched.count.unwrap_or(u64::MAX);
    while left > 0 && !(watched.only_blocks() && watch.blocks_are_decided()) {
        let next = tokio::select! {
            next = patiently(&mut watch, watched.patience) => next,
            _ = &mut interrupted => break,
        };
        keeper.keep(&mut watch).await?;
        if let Some(broken) = print(arguments, &next?).err() {
            // Whoever read has seen enough.
            let kind = broken.downcast_ref::<io::Error>().map(io::Error::kind);
            return if kind == Some(io::ErrorKind::BrokenPipe) { Ok(0) } else { Err(broken) };
        }
        left -= 1;
    }
    keeper.keep(&mut watch).await?;
    Ok(0)
}

/// Keeps what is proved, and what servers did.
struct Keeper {
    folder: Option<StateFolder>,
    /// Lies that were told.
    told: usize,
    /// Remarks that were told.
    remarked: usize,
    /// The upgrade that was warned of.
    warned: Option<ScheduledUpgrade>,
}

impl Keeper {
    async fn keep(&mut self, watch: &mut Watch) -> anyhow::Result<()> {
        if watch.walker().lies().len() > self.told {
            watch.prove_lies().await;
        }
        let client = watch.walker();
        let (folder, lies) = (self.folder.as_ref(), client.lies());
        let checkpoint = client.trusted().checkpoint().block_id;
        evidence::tell_lies(&evidence::Kept { folder, checkpoint }, &lies[self.told..], None);
        self.told = lies.len();
        let remarks = client.remarks();
        remarks[self.remarked..].iter().for_each(say);
        self.remarked = remarks.len();
        // When it comes is told once: the estimate moves.
        let ahead = client.trusted().upgrade_ahead();
        let ahead = ahead.map(|upgrade| ScheduledUpgrade { about_ms: None, ..upgrade });
        if ahead != self.warned {
            upgrade::warning(client.trusted()).iter().for_each(say);
            self.warned = ahead;
        }
        folder.map_or(Ok(()), |folder| folder.keep(client.trusted()).map(|_| ()))
    }
}

/// The next event; when no server answers, tries again for a while.
async fn patiently(watch: &mut Watch, patience: Duration) -> Result<Event, WatchError> {
    let (shortest, longest) = RETRY_AFTER;
    let delays = ExponentialBuilder::new().with_min_delay(shortest).with_max_delay(longest);
    let mut delays = delays.without_max_times().with_total_delay(Some(patience)).build();
    loop {
        let error = match watch.next().await {
            Err(WatchError::Ask(AskError::Transport(error))) if error.is_silence() => error,
            next => return next,
        };
        let Some(delay) = delays.next() else { return Err(AskError::from(error).into()) };
        say(&format_args!("{error}; trying again"));
        tokio::time::sleep(delay).await;
    }
}

fn print(arguments: &Arguments, event: &Event) -> anyhow::Result<()> {
    if arguments.json {
        return stdout(format!("{}\n", weir_walk::watch::json::event(event)).as_bytes());
    }
    stdout(events::to_text(event).as_bytes())
}

/// Shortest and longest pause before servers are asked again.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
