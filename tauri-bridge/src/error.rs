use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use crate::handshake::{Fatal, PROTOCOL_VERSION};

pub type Result<T> = std::result::Result<T, Error>;

/// Why the SFU does not serve.
///
/// Serialised as `{ code, message, hint }`, whether a command fails with it or an event tells it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The SFU itself said why it can't serve.
    #[error("{}", .0.message)]
    Fatal(Fatal),
    #[error("cannot launch {program}: {reason}")]
    CannotLaunch { program: String, reason: String },
    #[error("the SFU was not ready within {timeout_ms} ms")]
    ReadyTimeout { timeout_ms: u64 },
    /// It ended by itself.
    #[error("the SFU ended unexpectedly ({exit})")]
    Exited { exit: Exit },
    /// It ended by itself so often that there is no point in launching it again.
    #[error("the SFU failed {failures} times in a row, the last time: {last}")]
    CrashLoop { failures: u32, last: Box<Error> },
    #[error("the SFU speaks version {found} of the handshake, this app version {PROTOCOL_VERSION}")]
    UnsupportedProtocol { found: u32 },
    #[error("the SFU is not running")]
    NotRunning,
    #[error("the SFU did not answer in time")]
    NoAnswer,
}

/// What programs tell errors apart by: the codes of the handshake's `fatal`, and the plugin's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    BadSetting,
    PortTaken,
    MediaPortsTaken,
    PortForbidden,
    CannotListen,
    NoNetworkInterface,
    LogFile,
    Internal,
    CannotLaunch,
    ReadyTimeout,
    Exited,
    CrashLoop,
    UnsupportedProtocol,
    NotRunning,
    NoAnswer,
    /// A code that a newer SFU has brought along.
    #[serde(untagged)]
    Other(String),
}

/// How a process ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Exit {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it, on Unix.
    pub signal: Option<i32>,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => write!(f, "signal {signal}"),
            (None, None) => f.write_str("nobody knows how"),
        }
    }
}

impl Error {
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Fatal(fatal) => fatal.code.clone(),
            Self::CannotLaunch { .. } => Code::CannotLaunch,
            Self::ReadyTimeout { .. } => Code::ReadyTimeout,
            Self::Exited { .. } => Code::Exited,
            Self::CrashLoop { .. } => Code::CrashLoop,
            Self::UnsupportedProtocol { .. } => Code::UnsupportedProtocol,
            Self::NotRunning => Code::NotRunning,
            Self::NoAnswer => Code::NoAnswer,
        }
    }

    /// What the person at the computer can do about it.
    #[must_use]
    pub fn hint(&self) -> &str {
        match self {
            Self::Fatal(fatal) => &fatal.hint,
            Self::CannotLaunch { .. } | Self::UnsupportedProtocol { .. } => {
                "Install the app anew. If that does not help, look whether a virus scanner has \
                 taken the program away."
            }
            Self::ReadyTimeout { .. } | Self::CrashLoop { .. } | Self::Exited { .. } => {
                "Try again. If that does not help, the SFU's log file has the details."
            }
            Self::NotRunning => "Start it.",
            Self::NoAnswer => "Try again, or stop it and start it anew.",
        }
    }
}

impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Error", 3)?;
        object.serialize_field("code", &self.code())?;
        object.serialize_field("message", &self.to_string())?;
        object.serialize_field("hint", self.hint())?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_fatal_line_becomes_an_error_with_its_code() {
        let fatal: Fatal = serde_json::from_value(json!({
            "code": "port-taken", "message": "TCP port 3016 is taken", "hint": "Stop it.",
            "exitCode": 3
        }))
        .unwrap();
        assert_eq!(fatal.code, Code::PortTaken);
        assert_eq!(
            serde_json::to_value(Error::Fatal(fatal)).unwrap(),
            json!({"code": "port-taken", "message": "TCP port 3016 is taken", "hint": "Stop it."})
        );
    }

    #[test]
    fn an_unknown_code_is_passed_on() {
        let code: Code = serde_json::from_value(json!("moon-is-full")).unwrap();
        assert_eq!(code, Code::Other("moon-is-full".into()));
        assert_eq!(serde_json::to_value(code).unwrap(), json!("moon-is-full"));
    }

    #[test]
    fn a_crash_loop_says_what_happened_last() {
        let exit = Exit {
            code: None,
            signal: Some(9),
        };
        let error = Error::CrashLoop {
            failures: 3,
            last: Box::new(Error::Exited { exit }),
        };
        let shown = serde_json::to_value(&error).unwrap();
        assert_eq!(shown["code"], "crash-loop");
        assert!(shown["message"].as_str().unwrap().ends_with("(signal 9)"));
    }
}
