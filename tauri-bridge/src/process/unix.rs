//! A process group of its own; on Linux the kernel watches over us, too.

use std::{io, os::unix::process::ExitStatusExt, process::ExitStatus};

use tokio::process::{Child, Command};

pub(super) fn prepare(command: &mut Command) {
    command.process_group(0);
    #[cfg(target_os = "linux")]
    // SAFETY: prctl is async-signal-safe and touches no memory of ours.
    unsafe {
        command.pre_exec(end_with_parent);
    }
}

/// A second way to learn of our death besides the end of stdin, should something have inherited
/// the pipe. Not SIGKILL: a one-file executable has a folder to delete.
#[cfg(target_os = "linux")]
fn end_with_parent() -> io::Result<()> {
    // SAFETY: the arguments are those that the manual page asks for.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

pub(super) fn signal(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// A process and its descendants.
pub(super) struct Tree {
    group: libc::pid_t,
}

impl Tree {
    pub(super) fn of(child: &Child) -> io::Result<Self> {
        let pid = child.id().and_then(|pid| pid.try_into().ok());
        let group = pid.ok_or_else(|| io::Error::other("the process has ended already"))?;
        Ok(Self { group })
    }

    pub(super) fn kill(&self) {
        // SAFETY: killpg touches no memory. The group outlives its leader while it has members;
        // without any there is nobody to be killed, which is no mistake.
        unsafe { libc::killpg(self.group, libc::SIGKILL) };
    }
}
