//! What frontends are told: one Tauri event per notice, named `classroom-sfu://` and its name.

use serde::Serialize;

use crate::{
    error::{Error, Exit},
    handshake::{Addresses, Peer, Ready, Warning},
};

/// Something that has happened to the SFU or in it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Notice {
    /// It serves. Comes again after each restart, perhaps with other URLs.
    Ready(Ready),
    /// It can be reached elsewhere from now on.
    Addresses(Addresses),
    /// Its process has ended, and everybody in it was cut off.
    Exited(Exited),
    /// It fell and will be launched again.
    Restarting(Restarting),
    /// It does not serve and will not be launched again, unless somebody asks for it.
    Fatal(Error),
    Warning(Warning),
    PeerJoined(Peer),
    PeerLeft(Peer),
}

/// The end of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Exited {
    #[serde(flatten)]
    pub exit: Exit,
    /// Whether the app had asked for it.
    pub expected: bool,
}

/// An announced restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restarting {
    /// The how-manieth in a row, from 1.
    pub attempt: u32,
    /// How many there are at most.
    pub limit: u32,
    /// The wait before it.
    pub delay_ms: u64,
    /// Why.
    pub cause: Error,
}

impl Notice {
    /// The name of the Tauri event.
    #[must_use]
    pub fn event(&self) -> &'static str {
        match self {
            Self::Ready(_) => "classroom-sfu://ready",
            Self::Addresses(_) => "classroom-sfu://addresses",
            Self::Exited(_) => "classroom-sfu://exited",
            Self::Restarting(_) => "classroom-sfu://restarting",
            Self::Fatal(_) => "classroom-sfu://fatal",
            Self::Warning(_) => "classroom-sfu://warning",
            Self::PeerJoined(_) => "classroom-sfu://peer-joined",
            Self::PeerLeft(_) => "classroom-sfu://peer-left",
        }
    }
}
