//! Events on a schedule or on command, and their text form.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use weir_protocol::model::{Identifier, Role};

/// What happens when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Events; order matters only for those due in the same block.
    pub events: Vec<ScheduledEvent>,
}

impl Schedule {
    /// Adds an event.
    pub fn push(&mut self, trigger: Trigger, command: Command) {
        self.events.push(ScheduledEvent { trigger, command });
    }
}

/// A command with the time it is due.
///
/// Text form: `height:120=eject:consensus:0`, `view:900=recover`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledEvent {
    /// When.
    pub trigger: Trigger,
    /// What.
    pub command: Command,
}

/// When a command is due: at the execution of the first block that reaches it, on each fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// At the next block.
    Now,
    /// At this height.
    Height(u64),
    /// At this view.
    View(u64),
}

impl Trigger {
    /// Whether a block of this height and view has reached it.
    #[must_use]
    pub fn is_due(&self, height: u64, view: u64) -> bool {
        match self {
            Self::Now => true,
            Self::Height(due) => height >= *due,
            Self::View(due) => view >= *due,
        }
    }
}

/// Something the operators of the network or its contracts do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ejects a node, now and from all later epochs.
    Eject(NodeName),
    /// Schedules a version upgrade; the protocol ignores one that comes too late.
    UpgradeVersion {
        /// Version to upgrade to.
        version: u64,
        /// Views from the executed block to the activation.
        lead_views: u64,
    },
    /// Changes the length of extensions; the protocol ignores low numbers.
    SetExtensionViewCount {
        /// Views an extension adds.
        value: u64,
    },
    /// Announces from which height on execution needs another software version.
    VersionBeacon {
        /// The height.
        block_height: u64,
        /// The version.
        version: String,
    },
    /// Makes the next setup invalid, which triggers fallback mode.
    InvalidSetup,
    /// Leaves out the next commit, which triggers fallback mode.
    MissedCommit,
    /// Emits the commit of the next epoch once more, which triggers fallback mode while that
    /// epoch is still entered.
    RepeatedCommit,
    /// Recovers from fallback mode, as soon as the network is in it, and until it succeeds.
    Recover,
    /// A new node joins at the next setup.
    Join(Role),
    /// A node leaves at the next setup.
    Leave(NodeName),
}

/// A node, by ID or by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeName {
    /// The node with this ID.
    Id(Identifier),
    /// The node at this place among those of a role, ordered by ID, when the command is due.
    Place {
        /// Role.
        role: Role,
        /// Position, from 0.
        position: usize,
    },
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Place { role, position } => write!(f, "{role}:{position}"),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eject(node) => write!(f, "eject:{node}"),
            Self::UpgradeVersion { version, lead_views } => {
                write!(f, "upgrade:{version}:{lead_views}")
            }
            Self::SetExtensionViewCount { value } => write!(f, "extension:{value}"),
            Self::VersionBeacon { block_height, version } => {
                write!(f, "beacon:{block_height}:{version}")
            }
            Self::InvalidSetup => f.write_str("invalid-setup"),
            Self::MissedCommit => f.write_str("missed-commit"),
            Self::RepeatedCommit => f.write_str("repeated-commit"),
            Self::Recover => f.write_str("recover"),
            Self::Join(role) => write!(f, "join:{role}"),
            Self::Leave(node) => write!(f, "leave:{node}"),
        }
    }
}

impl fmt::Display for ScheduledEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.trigger {
            Trigger::Now => write!(f, "now={}", self.command),
            Trigger::Height(height) => write!(f, "height:{height}={}", self.command),
            Trigger::View(view) => write!(f, "view:{view}={}", self.command),
        }
    }
}

impl FromStr for NodeName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let unknown = || ParseError::Node { found: text.to_owned() };
        let Some((role, position)) = text.split_once(':') else {
            return text.parse().map(Self::Id).map_err(|_| unknown());
        };
        let role = role.parse().map_err(|_| unknown())?;
        let position = position.parse().map_err(|_| unknown())?;
        Ok(Self::Place { role, position })
    }
}

impl FromStr for Command {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let unknown = || ParseError::Command { found: text.to_owned() };
        let number = |text: &str| text.parse::<u64>().map_err(|_| unknown());
        let (name, argument) = text.split_once(':').unwrap_or((text, ""));
        Ok(match (name, argument) {
            ("eject", node) => Self::Eject(node.parse()?),
            ("leave", node) => Self::Leave(node.parse()?),
            ("join", role) => Self::Join(role.parse().map_err(|_| unknown())?),
            ("extension", value) => Self::SetExtensionViewCount { value: number(value)? },
            ("upgrade", both) => {
                let (version, lead_views) = both.split_once(':').ok_or_else(unknown)?;
                Self::UpgradeVersion { version: number(version)?, lead_views: number(lead_views)? }
            }
            ("beacon", both) => {
                let (height, version) = both.split_once(':').ok_or_else(unknown)?;
                Self::VersionBeacon { block_height: number(height)?, version: version.to_owned() }
            }
            ("invalid-setup", "") => Self::InvalidSetup,
            ("missed-commit", "") => Self::MissedCommit,
            ("repeated-commit", "") => Self::RepeatedCommit,
            ("recover", "") => Self::Recover,
            _ => return Err(unknown()),
        })
    }
}

impl FromStr for ScheduledEvent {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let unknown = || ParseError::Trigger { found: text.to_owned() };
        let (trigger, command) = text.split_once('=').ok_or_else(unknown)?;
        let trigger = match trigger.split_once(':') {
            None if trigger == "now" => Trigger::Now,
            Some(("height", height)) => Trigger::Height(height.parse().map_err(|_| unknown())?),
            Some(("view", view)) => Trigger::View(view.parse().map_err(|_| unknown())?),
            _ => return Err(unknown()),
        };
        Ok(Self { trigger, command: command.parse()? })
    }
}

/// Why a text is no event.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseError {
    /// No trigger.
    #[error("expected now=…, height:N=… or view:N=…, found {found:?}")]
    Trigger {
        /// Text found.
        found: String,
    },
    /// No command.
    #[error(
        "expected eject:NODE, leave:NODE, join:ROLE, upgrade:VERSION:VIEWS, extension:VIEWS, \
         beacon:HEIGHT:VERSION, invalid-setup, missed-commit, repeated-commit or recover, found {found:?}"
    )]
    Command {
        /// Text found.
        found: String,
    },
    /// No node.
    #[error("expected a node id or ROLE:POSITION, found {found:?}")]
    Node {
        /// Text found.
        found: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[bounded::test]
    fn reads_back_every_event() {
        let texts = [
            "now=recover",
            "height:12=eject:consensus:1",
            "view:7=leave:access:0",
            "height:1=join:execution",
            "height:1=upgrade:3:150",
            "height:1=extension:700",
            "height:1=beacon:500:0.44.1-rc.1",
            "height:1=invalid-setup",
            "height:1=missed-commit",
            "height:1=repeated-commit",
            "now=eject:0b2b9ef792d9baeaf37bf050f81defcce9016f891e38b697b528a7986895023d",
        ];
        for text in texts {
            let event: ScheduledEvent = text.parse().unwrap();
            assert_eq!(event.to_string(), text);
        }
    }

    #[bounded::test]
    fn rejects_what_is_no_event() {
        let texts = [
            "recover",
            "at:1=recover",
            "now=recover:1",
            "now=eject:access",
            "now=upgrade:3",
            "now=beacon:0.44.1",
        ];
        for text in texts {
            assert!(text.parse::<ScheduledEvent>().is_err(), "{text}");
        }
    }
}
