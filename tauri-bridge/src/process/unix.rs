//! A process group of its own.

use std::{io, os::unix::process::ExitStatusExt, process::ExitStatus};

use tokio::process::{Child, Command};

/// There is no parent-death signal (`PR_SET_PDEATHSIG`): of a parent with threads it comes several
/// times, and the second one would end a one-file executable that is deleting its folder. The end
/// of stdin comes once, and nothing else has that pipe.
pub(super) fn prepare(command: &mut Command) {
    command.process_group(0);
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
