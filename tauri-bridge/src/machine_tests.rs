use super::*;
use crate::{config::Backoff, handshake::Media};

const READY_TIMEOUT: Duration = Duration::from_secs(10);
const CRASH: Exit = Exit {
    code: None,
    signal: Some(9),
};
const CLEAN: Exit = Exit {
    code: Some(0),
    signal: None,
};

/// A machine with a clock that is moved by hand.
struct Bench {
    machine: Machine,
    now: Instant,
}

impl Bench {
    fn new(limit: u32) -> Self {
        let backoff = Backoff {
            initial_ms: 100,
            max_ms: 300,
            reset_after_ms: 60_000,
        };
        Self {
            machine: Machine::new(Restart { backoff, limit }, READY_TIMEOUT),
            now: Instant::now(),
        }
    }

    fn serving(limit: u32) -> Self {
        let mut bench = Self::new(limit);
        bench.give(Input::Start);
        bench.give(Input::Ready(ready(PROTOCOL_VERSION)));
        bench
    }

    fn give(&mut self, input: Input) -> Vec<Action> {
        self.machine.handle(input, self.now)
    }

    /// Lets the time pass until something is due, and says how long that took.
    fn wait(&mut self) -> (Duration, Vec<Action>) {
        let deadline = self.machine.deadline().expect("nothing is due");
        let waited = deadline - self.now;
        self.now = deadline;
        (waited, self.give(Input::DeadlinePassed))
    }
}

fn ready(protocol: u32) -> Ready {
    Ready {
        protocol,
        version: "0.1.0".into(),
        pid: 7,
        port: 3016,
        requested_port: None,
        local_url: "ws://127.0.0.1:3016".into(),
        urls: vec![],
        media: Media {
            port: 40000,
            addresses: vec![],
        },
        teacher_token: "token".into(),
        startup_ms: 90,
    }
}

fn fatal(code: Code) -> Fatal {
    Fatal {
        code,
        message: "no".into(),
        hint: "try".into(),
    }
}

fn exited(exit: Exit, expected: bool) -> Action {
    Action::Tell(Notice::Exited(Exited { exit, expected }))
}

fn is_restarting(action: &Action, attempt: u32) -> bool {
    matches!(action, Action::Tell(Notice::Restarting(it)) if it.attempt == attempt)
}

#[test]
fn a_start_launches_and_ready_is_told() {
    let mut bench = Bench::new(3);
    assert_eq!(bench.give(Input::Start), [Action::Launch]);
    assert_eq!(bench.machine.state(), State::Starting);
    let told = bench.give(Input::Ready(ready(1)));
    assert_eq!(told, [Action::Tell(Notice::Ready(ready(1)))]);
    assert_eq!(bench.machine.state(), State::Ready);
    assert_eq!(bench.machine.deadline(), None);
}

#[test]
fn a_second_start_changes_nothing() {
    let mut bench = Bench::serving(3);
    assert_eq!(bench.give(Input::Start), []);
    assert_eq!(bench.machine.state(), State::Ready);
}

#[test]
fn a_crash_is_followed_by_a_wait_and_a_launch() {
    let mut bench = Bench::serving(3);
    let actions = bench.give(Input::Exited(CRASH));
    assert_eq!(actions[0], exited(CRASH, false));
    assert!(is_restarting(&actions[1], 1), "{actions:?}");
    assert_eq!(bench.machine.state(), State::Restarting);
    assert_eq!(
        bench.wait(),
        (Duration::from_millis(100), vec![Action::Launch])
    );
    assert_eq!(bench.machine.state(), State::Starting);
}

#[test]
fn leaving_politely_without_being_asked_is_a_crash_too() {
    let mut bench = Bench::serving(3);
    let actions = bench.give(Input::Exited(CLEAN));
    assert_eq!(actions[0], exited(CLEAN, false));
    assert!(is_restarting(&actions[1], 1), "{actions:?}");
}

#[test]
fn the_waits_grow_and_have_an_end() {
    let mut bench = Bench::new(4);
    bench.give(Input::Start);
    let mut waits = vec![];
    for _ in 0..4 {
        bench.give(Input::Exited(CRASH));
        waits.push(bench.wait().0.as_millis());
    }
    assert_eq!(waits, [100, 200, 300, 300]);
    let last = Box::new(Error::Exited { exit: CRASH });
    let error = Error::CrashLoop { failures: 5, last };
    let told = bench.give(Input::Exited(CRASH));
    assert_eq!(
        told,
        [
            exited(CRASH, false),
            Action::Tell(Notice::Fatal(error.clone()))
        ]
    );
    assert_eq!(bench.machine.state(), State::Fatal);
    assert_eq!(bench.machine.error(), Some(&error));
    assert_eq!(bench.machine.deadline(), None);
}

#[test]
fn without_restarts_the_first_crash_is_the_end() {
    let mut bench = Bench::serving(0);
    bench.give(Input::Exited(CRASH));
    assert_eq!(bench.machine.error(), Some(&Error::Exited { exit: CRASH }));
}

#[test]
fn serving_for_long_makes_up_for_failures_before() {
    let mut bench = Bench::serving(1);
    bench.give(Input::Exited(CRASH));
    bench.wait();
    bench.give(Input::Ready(ready(1)));
    bench.now += Duration::from_secs(60);
    let actions = bench.give(Input::Exited(CRASH));
    assert!(is_restarting(&actions[1], 1), "{actions:?}");
}

#[test]
fn serving_briefly_does_not() {
    let mut bench = Bench::serving(1);
    bench.give(Input::Exited(CRASH));
    bench.wait();
    bench.give(Input::Ready(ready(1)));
    bench.now += Duration::from_secs(59);
    bench.give(Input::Exited(CRASH));
    assert_eq!(bench.machine.state(), State::Fatal);
}

#[test]
fn what_is_never_ready_is_killed_and_launched_again() {
    let mut bench = Bench::new(3);
    bench.give(Input::Start);
    assert_eq!(bench.wait(), (READY_TIMEOUT, vec![Action::Kill]));
    let actions = bench.give(Input::Exited(CRASH));
    let [_, Action::Tell(Notice::Restarting(restarting))] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(restarting.cause, Error::ReadyTimeout { timeout_ms: 10_000 });
}

#[test]
fn ready_after_the_timeout_comes_too_late() {
    let mut bench = Bench::new(3);
    bench.give(Input::Start);
    bench.wait();
    assert_eq!(bench.give(Input::Ready(ready(1))), []);
    assert_eq!(bench.machine.state(), State::Restarting);
}

#[test]
fn a_lasting_reason_is_fatal_at_once() {
    let mut bench = Bench::new(3);
    bench.give(Input::Start);
    assert_eq!(bench.give(Input::Fatal(fatal(Code::BadSetting))), []);
    let exit = Exit {
        code: Some(2),
        signal: None,
    };
    let error = Error::Fatal(fatal(Code::BadSetting));
    let told = bench.give(Input::Exited(exit));
    assert_eq!(
        told,
        [exited(exit, false), Action::Tell(Notice::Fatal(error))]
    );
    assert_eq!(bench.machine.state(), State::Fatal);
}

#[test]
fn a_taken_port_may_be_free_soon_but_not_for_ever() {
    let mut bench = Bench::new(9);
    bench.give(Input::Start);
    for _ in 0..PORT_RETRIES {
        bench.give(Input::Fatal(fatal(Code::PortTaken)));
        bench.give(Input::Exited(CLEAN));
        assert_eq!(bench.wait().1, [Action::Launch]);
    }
    bench.give(Input::Fatal(fatal(Code::PortTaken)));
    bench.give(Input::Exited(CLEAN));
    assert_eq!(
        bench.machine.error(),
        Some(&Error::Fatal(fatal(Code::PortTaken)))
    );
}

#[test]
fn a_defect_is_a_crash_that_has_a_name() {
    let mut bench = Bench::serving(1);
    bench.give(Input::Fatal(fatal(Code::Internal)));
    let actions = bench.give(Input::Exited(CLEAN));
    assert!(is_restarting(&actions[1], 1), "{actions:?}");
}

#[test]
fn who_says_fatal_and_stays_is_killed() {
    let mut bench = Bench::new(3);
    bench.give(Input::Start);
    bench.give(Input::Fatal(fatal(Code::BadSetting)));
    assert_eq!(bench.wait(), (GRACE, vec![Action::Kill]));
}

#[test]
fn another_protocol_is_fatal() {
    let mut bench = Bench::new(3);
    bench.give(Input::Start);
    assert_eq!(bench.give(Input::Ready(ready(2))), [Action::Shutdown]);
    bench.give(Input::Exited(CLEAN));
    let error = Error::UnsupportedProtocol { found: 2 };
    assert_eq!(bench.machine.error(), Some(&error));
}

#[test]
fn a_program_that_is_not_there_is_fatal() {
    let mut bench = Bench::new(3);
    bench.give(Input::Start);
    let error = Error::CannotLaunch {
        program: "x".into(),
        reason: "gone".into(),
    };
    let told = bench.give(Input::LaunchFailed(error.clone()));
    assert_eq!(told, [Action::Tell(Notice::Fatal(error))]);
}

#[test]
fn a_start_after_the_end_of_hope_begins_anew() {
    let mut bench = Bench::new(0);
    bench.give(Input::Start);
    bench.give(Input::Exited(CRASH));
    assert_eq!(bench.give(Input::Start), [Action::Launch]);
    assert_eq!(bench.machine.error(), None);
}

#[test]
fn a_start_cuts_the_wait_short() {
    let mut bench = Bench::serving(3);
    bench.give(Input::Exited(CRASH));
    assert_eq!(bench.give(Input::Start), [Action::Launch]);
}

#[test]
fn a_stop_asks_first_and_the_end_was_expected() {
    let mut bench = Bench::serving(3);
    assert_eq!(bench.give(Input::Stop), [Action::Shutdown]);
    assert_eq!(bench.machine.state(), State::Stopping);
    assert_eq!(bench.give(Input::Exited(CLEAN)), [exited(CLEAN, true)]);
    assert_eq!(bench.machine.state(), State::Stopped);
    assert_eq!(bench.machine.deadline(), None);
}

#[test]
fn who_does_not_obey_is_killed_and_at_last_given_up() {
    let mut bench = Bench::serving(3);
    bench.give(Input::Stop);
    assert_eq!(bench.wait(), (GRACE, vec![Action::Kill]));
    assert_eq!(
        bench.wait(),
        (KILL_TIMEOUT, vec![exited(Exit::default(), true)])
    );
    assert_eq!(bench.machine.state(), State::Stopped);
}

#[test]
fn a_stop_ends_the_wait() {
    let mut bench = Bench::serving(3);
    bench.give(Input::Exited(CRASH));
    assert_eq!(bench.give(Input::Stop), []);
    assert_eq!(bench.machine.state(), State::Stopped);
    assert_eq!(bench.machine.deadline(), None);
}

#[test]
fn a_stop_during_a_failure_wins() {
    let mut bench = Bench::new(3);
    bench.give(Input::Start);
    bench.wait();
    assert_eq!(bench.give(Input::Stop), []);
    assert_eq!(bench.give(Input::Exited(CRASH)), [exited(CRASH, true)]);
    assert_eq!(bench.machine.state(), State::Stopped);
}

#[test]
fn a_start_during_a_stop_launches_after_it() {
    let mut bench = Bench::serving(3);
    bench.give(Input::Stop);
    assert_eq!(bench.give(Input::Start), []);
    assert_eq!(
        bench.give(Input::Exited(CLEAN)),
        [exited(CLEAN, true), Action::Launch]
    );
}

#[test]
fn a_start_and_a_stop_during_a_stop_leave_it_stopped() {
    let mut bench = Bench::serving(3);
    bench.give(Input::Stop);
    bench.give(Input::Start);
    bench.give(Input::Stop);
    assert_eq!(bench.give(Input::Exited(CLEAN)), [exited(CLEAN, true)]);
}
