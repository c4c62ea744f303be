//! The lines that the SFU and its host exchange; `docs/handshake.md` of the project has them all.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Code;

/// The version of the handshake that this plugin understands.
pub const PROTOCOL_VERSION: u32 = 1;

/// Where peers send media.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// The UDP port.
    pub port: u16,
    /// IP addresses, the best first.
    pub addresses: Vec<String>,
}

/// The SFU serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// The version of the handshake.
    pub protocol: u32,
    /// The version of the program.
    pub version: String,
    /// The process that serves; of a one-file executable that is a child of the one launched.
    pub pid: u32,
    /// The WebSocket server's TCP port.
    pub port: u16,
    /// The port that was asked for; another than `port` after a fallback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_port: Option<u16>,
    /// The WebSocket URL for this computer.
    pub local_url: String,
    /// WebSocket URLs for other computers, the best first.
    pub urls: Vec<String>,
    pub media: Media,
    /// Lets a teacher join from another computer.
    pub teacher_token: String,
    /// From the start of the process.
    pub startup_ms: u64,
}

/// Where the SFU can be reached from now on; the network has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    pub urls: Vec<String>,
    pub media: Media,
}

/// Somebody who joined a room or left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    pub room_id: String,
    pub peer_id: String,
    pub name: String,
    pub is_teacher: bool,
}

/// Something that the person at the computer may want to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub code: String,
    pub message: String,
}

/// The SFU can't start or can't go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fatal {
    pub code: Code,
    pub message: String,
    /// What the person at the computer can do about it.
    #[serde(default)]
    pub hint: String,
}

/// What the SFU costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessCost {
    /// Processor time since the start, of all threads.
    pub cpu_seconds: f64,
    /// Of one core, since the status before this one.
    pub cpu_percent: f64,
    /// Resident memory, where the system tells.
    pub memory_bytes: Option<u64>,
    /// How many processes these figures are of.
    pub processes: u32,
}

/// What is going on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub uptime_ms: u64,
    /// Counts of `connections`, `rooms`, `peers`, `producers` and `consumers`.
    pub totals: Value,
    /// Every room, its peers, and the statistics of each.
    pub rooms: Vec<Value>,
    pub process: ProcessCost,
}

/// A line on the SFU's stdout.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Line {
    Ready(Ready),
    Addresses(Addresses),
    Status(Answer<Status>),
    PeerJoined(Peer),
    PeerLeft(Peer),
    Warning(Warning),
    Error(Warning),
    Fatal(Fatal),
    Stopped,
    Pong,
    /// An event of a newer SFU.
    #[serde(other)]
    Unknown,
}

/// An answer to the command with this id.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Answer<T> {
    pub id: Option<u64>,
    #[serde(flatten)]
    pub value: T,
}

impl Line {
    pub(crate) fn parse(line: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(line)
    }
}

/// A line for the SFU's stdin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub(crate) enum Command {
    Status { id: u64 },
    Shutdown,
}

impl Command {
    pub(crate) fn to_line(self) -> Vec<u8> {
        let mut line = serde_json::to_vec(&self).expect("commands consist of names and numbers");
        line.push(b'\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &str = r#"{"event":"ready","protocol":1,"version":"0.1.0","pid":7,"port":3017,
        "requestedPort":3016,"localUrl":"ws://127.0.0.1:3017","urls":["ws://192.168.1.20:3017"],
        "media":{"port":40000,"addresses":["192.168.1.20"]},"teacherToken":"t","startupMs":90}"#;

    #[test]
    fn ready_is_understood_and_goes_on_to_frontends_as_it_came() {
        let Ok(Line::Ready(ready)) = Line::parse(READY.as_bytes()) else {
            panic!("not the event")
        };
        assert_eq!(ready.port, 3017);
        let mut sent: Value = serde_json::from_str(READY).unwrap();
        sent.as_object_mut().unwrap().remove("event");
        assert_eq!(serde_json::to_value(ready).unwrap(), sent);
    }

    #[test]
    fn a_status_comes_with_the_id_of_its_question() {
        let line = br#"{"event":"status","id":4,"uptimeMs":1,"totals":{"peers":2},"rooms":[],
            "process":{"cpuSeconds":0.5,"cpuPercent":1.5,"memoryBytes":null,"processes":1}}"#;
        let Ok(Line::Status(answer)) = Line::parse(line) else {
            panic!("not the event")
        };
        assert_eq!(answer.id, Some(4));
        assert_eq!(answer.value.process.memory_bytes, None);
        assert_eq!(answer.value.process.processes, 1);
    }

    #[test]
    fn an_event_of_a_newer_sfu_is_no_mistake() {
        let line = br#"{"event":"weather","sky":"blue"}"#;
        assert_eq!(Line::parse(line).unwrap(), Line::Unknown);
    }

    #[test]
    fn garbage_is_a_mistake() {
        for line in [
            &b"Traceback"[..],
            b"",
            b"{}",
            b"[1]",
            b"\xff",
            b"{\"event\":\"ready\"}",
        ] {
            assert!(Line::parse(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn commands_are_one_line_of_json() {
        assert_eq!(Command::Shutdown.to_line(), b"{\"command\":\"shutdown\"}\n");
        assert_eq!(
            Command::Status { id: 3 }.to_line(),
            b"{\"command\":\"status\",\"id\":3}\n"
        );
    }
}
