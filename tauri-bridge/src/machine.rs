//! When to launch, to wait, to kill and to give up: the state machine, without processes and clocks.
//!
//! Hand an input to [`Machine::handle`] and carry out the actions that it returns, in their order.
//! When [`Machine::deadline`] has passed, hand in [`Input::DeadlinePassed`].

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::{
    config::Restart,
    error::{Code, Error, Exit},
    handshake::{Fatal, PROTOCOL_VERSION, Ready},
    notice::{Exited, Notice, Restarting},
};

/// The SFU promises to leave within two seconds; unpacking leaves a folder behind to be deleted.
const GRACE: Duration = Duration::from_secs(3);

/// How long the system may take to end a process that was killed.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);

/// An SFU of an app that has just crashed holds its ports for up to two seconds.
const PORT_RETRIES: u32 = 3;

/// What the SFU is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nobody wants it.
    #[default]
    Stopped,
    /// Its process runs and does not serve yet.
    Starting,
    /// It serves.
    Ready,
    /// It was asked to leave.
    Stopping,
    /// It fell, and the next launch is waited for.
    Restarting,
    /// It fell too often, or can't ever serve.
    Fatal,
}

#[derive(Debug)]
pub(crate) enum Input {
    /// Somebody wants it to serve.
    Start,
    /// Somebody wants it gone.
    Stop,
    /// The process says that it serves.
    Ready(Ready),
    /// The process says that it can't serve.
    Fatal(Fatal),
    /// The process is no more.
    Exited(Exit),
    /// There is no process after [`Action::Launch`].
    LaunchFailed(Error),
    DeadlinePassed,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    Launch,
    /// Ask the process to leave.
    Shutdown,
    Kill,
    Tell(Notice),
}

#[derive(Debug)]
enum Phase {
    Stopped,
    Starting,
    Ready {
        since: Instant,
    },
    /// The end of the process is awaited.
    Ending {
        then: Then,
        killed: bool,
    },
    Waiting,
    Fatal(Error),
}

#[derive(Debug)]
enum Then {
    Stop,
    StartAgain,
    Fail(Error),
}

pub(crate) struct Machine {
    restart: Restart,
    ready_timeout: Duration,
    phase: Phase,
    deadline: Option<Instant>,
    failures: u32,
}

impl Machine {
    pub(crate) fn new(restart: Restart, ready_timeout: Duration) -> Self {
        Self {
            restart,
            ready_timeout,
            phase: Phase::Stopped,
            deadline: None,
            failures: 0,
        }
    }

    pub(crate) fn state(&self) -> State {
        match &self.phase {
            Phase::Stopped => State::Stopped,
            Phase::Starting => State::Starting,
            Phase::Ready { .. } => State::Ready,
            Phase::Ending {
                then: Then::Fail(_),
                ..
            }
            | Phase::Waiting => State::Restarting,
            Phase::Ending { .. } => State::Stopping,
            Phase::Fatal(_) => State::Fatal,
        }
    }

    /// Why it does not serve and never will by itself.
    pub(crate) fn error(&self) -> Option<&Error> {
        match &self.phase {
            Phase::Fatal(error) => Some(error),
            _ => None,
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn handle(&mut self, input: Input, now: Instant) -> Vec<Action> {
        match input {
            Input::Start => self.start(now),
            Input::Stop => self.stop(now),
            Input::Ready(ready) => self.on_ready(ready, now),
            Input::Fatal(fatal) => self.on_fatal(fatal, now),
            Input::Exited(exit) => self.on_exited(exit, now),
            Input::LaunchFailed(error) => self.give_up(error),
            Input::DeadlinePassed => self.on_deadline(now),
        }
    }

    fn start(&mut self, now: Instant) -> Vec<Action> {
        match &mut self.phase {
            Phase::Stopped | Phase::Waiting | Phase::Fatal(_) => {
                self.failures = 0;
                self.launch(now)
            }
            Phase::Ending { then, .. } if matches!(then, Then::Stop) => {
                *then = Then::StartAgain;
                vec![]
            }
            _ => vec![],
        }
    }

    fn stop(&mut self, now: Instant) -> Vec<Action> {
        match &mut self.phase {
            Phase::Starting | Phase::Ready { .. } => {
                self.end(Then::Stop, now + GRACE);
                vec![Action::Shutdown]
            }
            Phase::Ending { then, .. } => {
                *then = Then::Stop;
                vec![]
            }
            Phase::Stopped | Phase::Waiting | Phase::Fatal(_) => {
                self.enter(Phase::Stopped, None);
                vec![]
            }
        }
    }

    fn on_ready(&mut self, ready: Ready, now: Instant) -> Vec<Action> {
        if !matches!(self.phase, Phase::Starting) {
            return vec![];
        }
        if ready.protocol != PROTOCOL_VERSION {
            let found = ready.protocol;
            self.end(
                Then::Fail(Error::UnsupportedProtocol { found }),
                now + GRACE,
            );
            return vec![Action::Shutdown];
        }
        self.enter(Phase::Ready { since: now }, None);
        vec![Action::Tell(Notice::Ready(ready))]
    }

    fn on_fatal(&mut self, fatal: Fatal, now: Instant) -> Vec<Action> {
        if matches!(self.phase, Phase::Starting | Phase::Ready { .. }) {
            self.forgive_what_is_long_ago(now);
            // It leaves by itself.
            self.end(Then::Fail(Error::Fatal(fatal)), now + GRACE);
        }
        vec![]
    }

    fn on_exited(&mut self, exit: Exit, now: Instant) -> Vec<Action> {
        self.forgive_what_is_long_ago(now);
        let phase = std::mem::replace(&mut self.phase, Phase::Stopped);
        let mut then = match phase {
            Phase::Starting | Phase::Ready { .. } => Then::Fail(Error::Exited { exit }),
            Phase::Ending { then, .. } => then,
            phase => {
                self.phase = phase;
                return vec![];
            }
        };
        let expected = !matches!(then, Then::Fail(_));
        let mut actions = vec![Action::Tell(Notice::Exited(Exited { exit, expected }))];
        actions.extend(match &mut then {
            Then::Stop => {
                self.enter(Phase::Stopped, None);
                vec![]
            }
            Then::StartAgain => {
                self.failures = 0;
                self.launch(now)
            }
            Then::Fail(error) => self.fail(error.clone(), now),
        });
        actions
    }

    fn on_deadline(&mut self, now: Instant) -> Vec<Action> {
        match &mut self.phase {
            Phase::Starting => {
                let timeout_ms = self
                    .ready_timeout
                    .as_millis()
                    .try_into()
                    .unwrap_or(u64::MAX);
                let then = Then::Fail(Error::ReadyTimeout { timeout_ms });
                self.enter(
                    Phase::Ending { then, killed: true },
                    Some(now + KILL_TIMEOUT),
                );
                vec![Action::Kill]
            }
            Phase::Ending {
                killed: killed @ false,
                ..
            } => {
                *killed = true;
                self.deadline = Some(now + KILL_TIMEOUT);
                vec![Action::Kill]
            }
            // The system does not let go of it. There is nothing to be done about that.
            Phase::Ending { killed: true, .. } => self.on_exited(Exit::default(), now),
            Phase::Waiting => self.launch(now),
            Phase::Stopped | Phase::Ready { .. } | Phase::Fatal(_) => vec![],
        }
    }

    fn launch(&mut self, now: Instant) -> Vec<Action> {
        self.enter(Phase::Starting, Some(now + self.ready_timeout));
        vec![Action::Launch]
    }

    fn fail(&mut self, cause: Error, now: Instant) -> Vec<Action> {
        self.failures += 1;
        let limit = self.restarts_for(&cause);
        if self.failures > limit {
            return self.give_up(cause);
        }
        let delay = self.restart.backoff.delay(self.failures);
        self.enter(Phase::Waiting, Some(now + delay));
        vec![Action::Tell(Notice::Restarting(Restarting {
            attempt: self.failures,
            limit,
            delay_ms: delay.as_millis().try_into().unwrap_or(u64::MAX),
            cause,
        }))]
    }

    /// How many restarts in a row are worth the while.
    fn restarts_for(&self, cause: &Error) -> u32 {
        match cause {
            Error::Exited { .. } | Error::ReadyTimeout { .. } => self.restart.limit,
            Error::Fatal(fatal) => match fatal.code {
                Code::PortTaken | Code::MediaPortsTaken => self.restart.limit.min(PORT_RETRIES),
                Code::Internal => self.restart.limit,
                _ => 0,
            },
            _ => 0,
        }
    }

    fn give_up(&mut self, cause: Error) -> Vec<Action> {
        let error = match cause {
            Error::Exited { .. } if self.failures > 1 => Error::CrashLoop {
                failures: self.failures,
                last: Box::new(cause),
            },
            cause => cause,
        };
        self.enter(Phase::Fatal(error.clone()), None);
        vec![Action::Tell(Notice::Fatal(error))]
    }

    fn forgive_what_is_long_ago(&mut self, now: Instant) {
        let reset_after = Duration::from_millis(self.restart.backoff.reset_after_ms);
        if matches!(self.phase, Phase::Ready { since } if now - since >= reset_after) {
            self.failures = 0;
        }
    }

    fn end(&mut self, then: Then, deadline: Instant) {
        self.enter(
            Phase::Ending {
                then,
                killed: false,
            },
            Some(deadline),
        );
    }

    fn enter(&mut self, phase: Phase, deadline: Option<Instant>) {
        self.phase = phase;
        self.deadline = deadline;
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
