//! The handle, its thread and real processes, with a fake SFU at the other end of the pipes.

use std::{
    env, fs,
    path::PathBuf,
    process::Command,
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use tauri_plugin_classroom_sfu::{Backoff, Code, Config, Error, Notice, Restart, Sidecar, State};

/// Only a failing test uses it up.
const PATIENCE: Duration = Duration::from_secs(20);

struct Bench {
    sidecar: Sidecar,
    notices: Receiver<Notice>,
    launches: PathBuf,
}

impl Bench {
    /// A stopped SFU that will behave as `tests/support/fake_sidecar.rs` says.
    fn new(behaviour: &str, ready_timeout_ms: u64) -> Self {
        let name = format!("fake-sidecar-{}-{behaviour}", std::process::id());
        let launches = env::temp_dir().join(name);
        let _ = fs::remove_file(&launches);
        let config = Config {
            args: vec![behaviour.into(), launches.display().to_string()],
            ready_timeout_ms,
            restart: Restart {
                backoff: Backoff {
                    initial_ms: 10,
                    max_ms: 50,
                    ..Backoff::default()
                },
                limit: 2,
            },
            ..Config::default()
        };
        let (sender, notices) = mpsc::channel();
        let tell = move |notice| drop(sender.send(notice));
        let sidecar = Sidecar::new(config, fake_sidecar(), tell).unwrap();
        Self {
            sidecar,
            notices,
            launches,
        }
    }

    fn next(&self) -> Notice {
        self.notices
            .recv_timeout(PATIENCE)
            .expect("nothing more was told")
    }

    /// The names of all that is told up to this event.
    fn events_until(&self, last: &str) -> Vec<&'static str> {
        let mut events = vec![];
        while events.last() != Some(&last) {
            events.push(self.next().event().trim_start_matches("classroom-sfu://"));
        }
        events
    }

    fn launches(&self) -> usize {
        fs::read_to_string(&self.launches).unwrap().lines().count()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.sidecar.stop_blocking();
        let _ = fs::remove_file(&self.launches);
    }
}

/// Cargo builds examples before tests, and puts them beside the folder of this file's executable.
fn fake_sidecar() -> PathBuf {
    let test = env::current_exe().unwrap();
    let folder = test.parent().and_then(|it| it.parent()).unwrap();
    folder
        .join("examples")
        .join(format!("fake-sidecar{}", env::consts::EXE_SUFFIX))
}

const UNHURRIED_MS: u64 = 20_000;

#[tokio::test]
async fn a_start_waits_for_a_slow_one() {
    let bench = Bench::new("slow", UNHURRIED_MS);
    assert_eq!(bench.sidecar.info().state, State::Stopped);
    let ready = bench.sidecar.start().await.unwrap();
    assert_eq!(ready.local_url, "ws://127.0.0.1:3016");
    assert_eq!(bench.sidecar.info().state, State::Ready);
    assert_eq!(bench.sidecar.info().ready, Some(ready));
    assert_eq!(bench.events_until("peer-joined"), ["ready", "peer-joined"]);
}

#[tokio::test]
async fn a_second_start_finds_the_same_one() {
    let bench = Bench::new("obedient", UNHURRIED_MS);
    let (first, second) = tokio::join!(bench.sidecar.start(), bench.sidecar.start());
    assert_eq!(first.unwrap().pid, second.unwrap().pid);
    assert_eq!(bench.launches(), 1);
}

#[tokio::test]
async fn garbage_is_ignored() {
    let bench = Bench::new("garbage", UNHURRIED_MS);
    bench.sidecar.start().await.unwrap();
    assert_eq!(bench.events_until("peer-joined"), ["ready", "peer-joined"]);
}

#[tokio::test]
async fn what_is_never_ready_is_killed_and_tried_again() {
    let bench = Bench::new("mute", 200);
    let error = bench.sidecar.start().await.unwrap_err();
    assert_eq!(error.code(), Code::ReadyTimeout);
    assert_eq!(bench.launches(), 3);
}

#[tokio::test]
async fn a_crash_is_survived_and_told() {
    let bench = Bench::new("crash-once", UNHURRIED_MS);
    bench.sidecar.start().await.unwrap();
    assert_eq!(
        bench.events_until("ready"),
        ["exited", "restarting", "ready"]
    );
    assert_eq!(bench.launches(), 2);
}

#[tokio::test]
async fn a_crash_loop_comes_to_an_end() {
    let bench = Bench::new("crash", UNHURRIED_MS);
    let error = bench.sidecar.start().await.unwrap_err();
    assert!(
        matches!(error, Error::CrashLoop { failures: 3, .. }),
        "{error:?}"
    );
    assert_eq!(bench.sidecar.info().error, Some(error));
    let expected = [
        "exited",
        "restarting",
        "exited",
        "restarting",
        "exited",
        "fatal",
    ];
    assert_eq!(bench.events_until("fatal"), expected);
    assert_eq!(bench.launches(), 3);
}

#[tokio::test]
async fn a_fatal_one_is_not_launched_again() {
    let bench = Bench::new("fatal", UNHURRIED_MS);
    let error = bench.sidecar.start().await.unwrap_err();
    assert_eq!(error.code(), Code::BadSetting);
    assert_eq!(error.hint(), "See --help");
    assert_eq!(bench.launches(), 1);
    assert_eq!(bench.sidecar.info().state, State::Fatal);
}

#[tokio::test]
async fn a_missing_program_is_told() {
    let sidecar = Sidecar::new(Config::default(), "/no/such/program".into(), drop).unwrap();
    let error = sidecar.start().await.unwrap_err();
    assert_eq!(error.code(), Code::CannotLaunch);
}

#[tokio::test]
async fn a_stop_is_a_good_bye() {
    let bench = Bench::new("obedient", UNHURRIED_MS);
    bench.sidecar.start().await.unwrap();
    bench.sidecar.stop().await.unwrap();
    assert_eq!(bench.sidecar.info().state, State::Stopped);
    bench.events_until("peer-joined");
    let Notice::Exited(exited) = bench.next() else {
        panic!("the end was not told")
    };
    assert!(exited.expected);
    assert_eq!(exited.exit.code, Some(0));
    bench.sidecar.stop().await.unwrap();
}

#[tokio::test]
async fn who_does_not_listen_is_killed() {
    let bench = Bench::new("deaf", UNHURRIED_MS);
    let ready = bench.sidecar.start().await.unwrap();
    bench.sidecar.stop().await.unwrap();
    assert!(!is_running(ready.pid));
}

#[tokio::test]
async fn a_stop_while_it_starts_is_a_stop() {
    let bench = Bench::new("slow", UNHURRIED_MS);
    let starting = bench.sidecar.clone();
    let start = tokio::spawn(async move { starting.start().await });
    while bench.sidecar.info().state != State::Starting {
        tokio::task::yield_now().await;
    }
    bench.sidecar.stop().await.unwrap();
    assert_eq!(start.await.unwrap().unwrap_err().code(), Code::NotRunning);
}

#[tokio::test]
async fn a_start_during_a_stop_is_a_restart() {
    let bench = Bench::new("obedient", UNHURRIED_MS);
    let before = bench.sidecar.start().await.unwrap();
    let (stopped, started) = tokio::join!(bench.sidecar.stop(), bench.sidecar.start());
    stopped.unwrap();
    assert_ne!(started.unwrap().pid, before.pid);
}

#[tokio::test]
async fn a_status_is_an_answer_of_the_process() {
    let bench = Bench::new("obedient", UNHURRIED_MS);
    assert_eq!(
        bench.sidecar.status().await.unwrap_err().code(),
        Code::NotRunning
    );
    bench.sidecar.start().await.unwrap();
    let (first, second) = tokio::join!(bench.sidecar.status(), bench.sidecar.status());
    assert_eq!(first.unwrap().totals["peers"], 1);
    assert_eq!(second.unwrap().rooms.len(), 1);
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    let bench = Bench::new("deaf", UNHURRIED_MS);
    bench.sidecar.start().await.unwrap();
    assert_eq!(
        bench.sidecar.status().await.unwrap_err().code(),
        Code::NoAnswer
    );
}

#[tokio::test]
async fn a_chatty_one_is_never_stalled() {
    let bench = Bench::new("chatty", UNHURRIED_MS);
    bench.sidecar.start().await.unwrap();
    assert_eq!(bench.events_until("ready").len(), 20_001);
}

#[tokio::test]
async fn it_ends_with_the_last_handle() {
    let bench = Bench::new("obedient", UNHURRIED_MS);
    let config = Config {
        args: vec!["deaf".into(), bench.launches.display().to_string()],
        ..Config::default()
    };
    let sidecar = Sidecar::new(config, fake_sidecar(), drop).unwrap();
    let pid = sidecar.start().await.unwrap().pid;
    drop(sidecar);
    while is_running(pid) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[cfg(unix)]
fn is_running(pid: u32) -> bool {
    let listed = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .unwrap();
    let state = String::from_utf8_lossy(&listed.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

#[cfg(windows)]
fn is_running(pid: u32) -> bool {
    let filter = format!("PID eq {pid}");
    let listed = Command::new("tasklist")
        .args(["/NH", "/FI", &filter])
        .output()
        .unwrap();
    String::from_utf8_lossy(&listed.stdout).contains(&pid.to_string())
}
