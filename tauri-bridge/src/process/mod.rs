//! The process of the SFU, and all that it starts in turn.

use std::{
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader, Split},
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};

use crate::error::Exit;

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use platform::Tree;

/// How long the last lines of a process may take to be read after its end.
const LAST_LINES_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) enum Output {
    /// A line on stdout, without its line feed.
    Line(Vec<u8>),
    /// The process is no more, and neither is anything that it had started. The last output.
    Exited(Exit),
}

/// A running process with pipes. Dropping it kills it.
pub(crate) struct Process {
    input: mpsc::UnboundedSender<Vec<u8>>,
    output: mpsc::UnboundedReceiver<Output>,
    tree: Arc<Tree>,
    has_exited: bool,
}

impl Process {
    /// Launches a program.
    pub(crate) fn launch(program: &Path, args: &[String]) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        platform::prepare(&mut command);
        let mut child = command.spawn()?;
        let tree = Arc::new(Tree::of(&child)?);
        let stdin = child.stdin.take().expect("stdin is a pipe");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let (input, input_lines) = mpsc::unbounded_channel();
        let (output_lines, output) = mpsc::unbounded_channel();
        tokio::spawn(write(stdin, input_lines));
        tokio::spawn(log(stderr));
        tokio::spawn(watch(child, stdout, tree.clone(), output_lines));
        Ok(Self {
            input,
            output,
            tree,
            has_exited: false,
        })
    }

    /// Sends a line to its stdin; never waits.
    pub(crate) fn send(&self, line: Vec<u8>) {
        // It has closed its stdin, or is gone: either way its end is on the way.
        let _ = self.input.send(line);
    }

    /// Waits for what comes next. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Output {
        let output = self.output.recv().await;
        let output = output.unwrap_or(Output::Exited(Exit::default()));
        self.has_exited |= matches!(output, Output::Exited(_));
        output
    }

    /// Kills it and all that it has started.
    pub(crate) fn kill(&self) {
        if !self.has_exited {
            self.tree.kill();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Keeps stdin open for as long as there may be lines: its end tells the process that we died.
async fn write(mut stdin: impl AsyncWriteExt + Unpin, mut lines: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if stdin.write_all(&line).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

/// Drains stderr, which without a reader would fill up and stall the process.
async fn log(stderr: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(stderr).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        log::debug!("{}", String::from_utf8_lossy(&line).trim_end());
    }
}

async fn watch(
    mut child: Child,
    stdout: impl AsyncRead + Unpin,
    tree: Arc<Tree>,
    output: mpsc::UnboundedSender<Output>,
) {
    let mut lines = BufReader::new(stdout).split(b'\n');
    let status = tokio::select! {
        status = child.wait() => status,
        () = forward(&mut lines, &output) => child.wait().await,
    };
    // Of a one-file executable only the launcher has ended so far if it was killed.
    tree.kill();
    if timeout(LAST_LINES_TIMEOUT, forward(&mut lines, &output))
        .await
        .is_err()
    {
        log::warn!("somebody else holds the SFU's stdout");
    }
    let _ = output.send(Output::Exited(
        status.map_or_else(|_| Exit::default(), exit),
    ));
}

/// Passes lines on until there are no more. Nothing is lost when the future is dropped.
async fn forward<R>(lines: &mut Split<BufReader<R>>, output: &mpsc::UnboundedSender<Output>)
where
    R: AsyncRead + Unpin,
{
    while let Ok(Some(line)) = lines.next_segment().await {
        let _ = output.send(Output::Line(line));
    }
}

fn exit(status: ExitStatus) -> Exit {
    Exit {
        code: status.code(),
        signal: platform::signal(status),
    }
}
