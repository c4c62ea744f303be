use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

/// What stands in `tauri.conf.json` under `plugins.classroom-sfu`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Config {
    /// Whether the SFU is started with the app.
    pub auto_start: bool,
    /// Command-line arguments of the SFU, such as `--port-fallback`.
    pub args: Vec<String>,
    /// What happens when the SFU falls.
    pub restart: Restart,
    /// How long the SFU may take until it serves. Virus scanners make a first start slow.
    pub ready_timeout_ms: u64,
    /// Another executable than the one that is bundled with the app.
    pub program: Option<PathBuf>,
}

/// How the SFU is brought back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Restart {
    /// The wait before it is launched again.
    pub backoff: Backoff,
    /// How often in a row; 0 means never.
    pub limit: u32,
}

/// A wait that doubles with each failure in a row.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Backoff {
    pub initial_ms: u64,
    pub max_ms: u64,
    /// Failures are in a row until the SFU has served for this long.
    pub reset_after_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            auto_start: true,
            args: Vec::new(),
            restart: Restart::default(),
            ready_timeout_ms: 30_000,
            program: None,
        }
    }
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            limit: 5,
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial_ms: 500,
            max_ms: 10_000,
            reset_after_ms: 60_000,
        }
    }
}

impl Backoff {
    /// The wait after so many failures in a row, the first being 1.
    #[must_use]
    pub fn delay(&self, failures: u32) -> Duration {
        let factor = 1_u64 << failures.saturating_sub(1).min(32);
        Duration::from_millis(self.initial_ms.saturating_mul(factor).min(self.max_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn everything_has_a_default() {
        assert_eq!(from_value::<Config>(json!({})).unwrap(), Config::default());
    }

    #[test]
    fn the_keys_are_those_of_a_tauri_configuration() {
        let config: Config = from_value(json!({
            "autoStart": false,
            "args": ["--port-fallback"],
            "restart": { "backoff": { "initialMs": 100 }, "limit": 2 },
            "readyTimeoutMs": 5000,
            "program": "/opt/sfu"
        }))
        .unwrap();
        assert!(!config.auto_start);
        assert_eq!(config.restart.backoff.initial_ms, 100);
        assert_eq!(config.restart.backoff.max_ms, Backoff::default().max_ms);
        assert_eq!(config.program, Some("/opt/sfu".into()));
    }

    #[test]
    fn a_misspelt_key_is_a_mistake() {
        assert!(from_value::<Config>(json!({ "autostart": true })).is_err());
    }

    #[test]
    fn the_wait_doubles_up_to_its_maximum() {
        let backoff = Backoff {
            initial_ms: 100,
            max_ms: 700,
            ..Backoff::default()
        };
        let waits: Vec<_> = [1, 2, 3, 4, 99]
            .map(|n| backoff.delay(n).as_millis())
            .into();
        assert_eq!(waits, [100, 200, 400, 700, 700]);
    }
}
