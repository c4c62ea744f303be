//! The SFU as the app sees it: a handle, and the thread that looks after the process.

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep_until, timeout},
};

use crate::{
    config::Config,
    error::{Error, Result},
    handshake::{Addresses, Command, Line, Ready, Status},
    machine::{Action, Input, Machine, State},
    notice::Notice,
    process::{Output, Process},
};

const STATUS_TIMEOUT: Duration = Duration::from_secs(3);

/// What is known about the SFU without asking it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Info {
    pub state: State,
    /// Where it can be reached, while it serves.
    pub ready: Option<Ready>,
    /// Why it does not serve and will not be launched again.
    pub error: Option<Error>,
}

/// The SFU. Clones stand for the same one; it ends with the last of them.
#[derive(Clone)]
pub struct Sidecar {
    requests: mpsc::UnboundedSender<Request>,
    info: Arc<Mutex<Info>>,
}

type Reply<T> = oneshot::Sender<Result<T>>;

enum Request {
    Start(Option<Reply<Ready>>),
    Stop(Reply<()>),
    Status(Reply<Status>),
}

impl Sidecar {
    /// Makes a stopped SFU.
    ///
    /// # Arguments
    /// * `config` - how it is launched and brought back; `program` and `auto_start` are not used.
    /// * `program` - the executable.
    /// * `tell` - is called with all that happens, in a thread of its own. It must not wait for
    ///   the SFU.
    ///
    /// # Errors
    /// The system has no more threads.
    pub fn new(
        config: Config,
        program: PathBuf,
        tell: impl Fn(Notice) + Send + 'static,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (requests, received) = mpsc::unbounded_channel();
        let info = Arc::default();
        let supervisor = Supervisor::new(config, program, Box::new(tell), Arc::clone(&info));
        // Not a thread of the app's pool: whoever is told may take its time.
        std::thread::Builder::new()
            .name("classroom-sfu".into())
            .spawn(move || runtime.block_on(supervisor.run(received)))?;
        Ok(Self { requests, info })
    }

    /// Starts it unless it runs, and waits until it serves.
    ///
    /// # Errors
    /// It can't serve, or was stopped meanwhile.
    pub async fn start(&self) -> Result<Ready> {
        self.ask(|reply| Request::Start(Some(reply))).await
    }

    /// Starts it unless it runs, without waiting.
    pub fn start_soon(&self) {
        let _ = self.requests.send(Request::Start(None));
    }

    /// Stops it, if it runs, and waits until it is gone. Everybody in it is sent home.
    ///
    /// # Errors
    /// Only if the plugin itself is no more.
    pub async fn stop(&self) -> Result<()> {
        self.ask(Request::Stop).await
    }

    /// Like [`Sidecar::stop`], for code that is not async. It takes some seconds at most.
    pub fn stop_blocking(&self) {
        let (reply, answer) = oneshot::channel();
        if self.requests.send(Request::Stop(reply)).is_ok() {
            // In a thread of its own: waiting is forbidden in one that an async runtime drives.
            std::thread::scope(|scope| scope.spawn(|| answer.blocking_recv().ok()).join().ok());
        }
    }

    /// Asks it what is going on.
    ///
    /// # Errors
    /// It does not serve, or does not answer.
    pub async fn status(&self) -> Result<Status> {
        let asked = self.ask(Request::Status);
        timeout(STATUS_TIMEOUT, asked)
            .await
            .unwrap_or(Err(Error::NoAnswer))
    }

    /// What is known about it without asking it.
    #[must_use]
    pub fn info(&self) -> Info {
        lock(&self.info).clone()
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(request(reply));
        sent.map_err(|_| Error::NotRunning)?;
        answer.await.unwrap_or(Err(Error::NotRunning))
    }
}

fn lock(info: &Mutex<Info>) -> std::sync::MutexGuard<'_, Info> {
    // What is in it is replaced as a whole.
    info.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries out what the state machine decides.
struct Supervisor {
    machine: Machine,
    program: PathBuf,
    args: Vec<String>,
    tell: Box<dyn Fn(Notice) + Send>,
    info: Arc<Mutex<Info>>,
    process: Option<Process>,
    ready: Option<Ready>,
    start_replies: Vec<Reply<Ready>>,
    stop_replies: Vec<Reply<()>>,
    status_replies: HashMap<u64, Reply<Status>>,
    last_status_id: u64,
}

impl Supervisor {
    fn new(
        config: Config,
        program: PathBuf,
        tell: Box<dyn Fn(Notice) + Send>,
        info: Arc<Mutex<Info>>,
    ) -> Self {
        let ready_timeout = Duration::from_millis(config.ready_timeout_ms);
        Self {
            machine: Machine::new(config.restart, ready_timeout),
            program,
            args: config.args,
            tell,
            info,
            process: None,
            ready: None,
            start_replies: Vec::new(),
            stop_replies: Vec::new(),
            status_replies: HashMap::new(),
            last_status_id: 0,
        }
    }

    async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        loop {
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => self.on_request(request),
                    None => return,
                },
                output = next_output(&mut self.process) => self.on_output(output),
                () = passed(self.machine.deadline()) => self.handle(Input::DeadlinePassed),
            }
        }
    }

    fn on_request(&mut self, request: Request) {
        match request {
            Request::Start(reply) => {
                self.start_replies.extend(reply);
                self.handle(Input::Start);
            }
            Request::Stop(reply) => {
                self.stop_replies.push(reply);
                self.handle(Input::Stop);
            }
            Request::Status(reply) => self.ask_status(reply),
        }
    }

    fn ask_status(&mut self, reply: Reply<Status>) {
        match &self.process {
            Some(process) if self.ready.is_some() => {
                self.status_replies.retain(|_, reply| !reply.is_closed());
                self.last_status_id += 1;
                let id = self.last_status_id;
                self.status_replies.insert(id, reply);
                process.send(Command::Status { id }.to_line());
            }
            _ => drop(reply.send(Err(Error::NotRunning))),
        }
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Line(line) => match Line::parse(&line) {
                Ok(line) => self.on_line(line),
                Err(error) => {
                    let line = String::from_utf8_lossy(&line);
                    log::warn!("ignored on the SFU's stdout: {line:?}: {error}");
                }
            },
            Output::Exited(exit) => self.handle(Input::Exited(exit)),
        }
    }

    fn on_line(&mut self, line: Line) {
        match line {
            Line::Ready(ready) => self.handle(Input::Ready(ready)),
            Line::Fatal(fatal) => self.handle(Input::Fatal(fatal)),
            Line::Addresses(addresses) => self.on_addresses(addresses),
            Line::Status(answer) => self.on_status(answer.id, answer.value),
            Line::PeerJoined(peer) => (self.tell)(Notice::PeerJoined(peer)),
            Line::PeerLeft(peer) => (self.tell)(Notice::PeerLeft(peer)),
            Line::Warning(warning) => (self.tell)(Notice::Warning(warning)),
            Line::Error(error) => log::error!("the SFU refuses a command: {}", error.message),
            Line::Stopped | Line::Pong | Line::Unknown => {}
        }
    }

    fn on_addresses(&mut self, addresses: Addresses) {
        let Some(ready) = &mut self.ready else { return };
        ready.urls.clone_from(&addresses.urls);
        ready.media.clone_from(&addresses.media);
        self.publish();
        (self.tell)(Notice::Addresses(addresses));
    }

    fn on_status(&mut self, id: Option<u64>, status: Status) {
        if let Some(reply) = id.and_then(|id| self.status_replies.remove(&id)) {
            let _ = reply.send(Ok(status));
        }
    }

    fn handle(&mut self, input: Input) {
        let actions = self.machine.handle(input, Instant::now());
        // Whoever is told something finds the same when asking for it.
        self.take_over(&actions);
        self.publish();
        for action in actions {
            self.act(action);
        }
        self.reply();
    }

    fn take_over(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Tell(Notice::Ready(ready)) => self.ready = Some(ready.clone()),
                Action::Tell(Notice::Exited(_)) => self.process = None,
                _ => {}
            }
        }
        if self.machine.state() != State::Ready {
            self.ready = None;
            self.status_replies.clear();
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Launch => self.launch(),
            Action::Shutdown => {
                if let Some(process) = &self.process {
                    process.send(Command::Shutdown.to_line());
                }
            }
            Action::Kill => {
                if let Some(process) = &self.process {
                    process.kill();
                }
            }
            Action::Tell(notice) => (self.tell)(notice),
        }
    }

    fn launch(&mut self) {
        match Process::launch(&self.program, &self.args) {
            Ok(process) => self.process = Some(process),
            Err(error) => self.handle(Input::LaunchFailed(Error::CannotLaunch {
                program: self.program.display().to_string(),
                reason: error.to_string(),
            })),
        }
    }

    fn publish(&self) {
        *lock(&self.info) = Info {
            state: self.machine.state(),
            ready: self.ready.clone(),
            error: self.machine.error().cloned(),
        };
    }

    /// Answers those who wait for what is now the case.
    fn reply(&mut self) {
        let state = self.machine.state();
        let started = match (&self.ready, self.machine.error()) {
            (Some(ready), _) => Some(Ok(ready.clone())),
            (None, Some(error)) => Some(Err(error.clone())),
            (None, None) if state == State::Stopped => Some(Err(Error::NotRunning)),
            (None, None) => None,
        };
        if let Some(result) = started {
            for reply in self.start_replies.drain(..) {
                let _ = reply.send(result.clone());
            }
        }
        if state != State::Stopping {
            for reply in self.stop_replies.drain(..) {
                let _ = reply.send(Ok(()));
            }
        }
    }
}

async fn next_output(process: &mut Option<Process>) -> Output {
    match process {
        Some(process) => process.next().await,
        None => std::future::pending().await,
    }
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
