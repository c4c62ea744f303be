//! A Job Object that the kernel empties when its last handle is closed, however that comes about.

use std::{
    ffi::c_void,
    io,
    mem::size_of,
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
    process::ExitStatus,
    ptr,
};

use tokio::process::{Child, Command};
use windows_sys::Win32::System::{
    JobObjects::{
        AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
        JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
        SetInformationJobObject, TerminateJobObject,
    },
    Threading::CREATE_NO_WINDOW,
};

/// What a killed process ends with.
const KILLED_EXIT_CODE: u32 = 1;

pub(super) fn prepare(command: &mut Command) {
    command.creation_flags(CREATE_NO_WINDOW);
}

pub(super) fn signal(_status: ExitStatus) -> Option<i32> {
    None
}

/// A process and its descendants.
pub(super) struct Tree {
    job: OwnedHandle,
}

impl Tree {
    /// What the process starts from now on belongs to the job. It has not come that far yet: a
    /// one-file executable unpacks itself first.
    pub(super) fn of(child: &Child) -> io::Result<Self> {
        let process = child
            .raw_handle()
            .ok_or_else(|| io::Error::other("the process has ended already"))?;
        let tree = Self { job: create_job()? };
        // SAFETY: both handles are open.
        check(unsafe { AssignProcessToJobObject(tree.job.as_raw_handle(), process) })?;
        Ok(tree)
    }

    pub(super) fn kill(&self) {
        // SAFETY: the handle is open.
        unsafe { TerminateJobObject(self.job.as_raw_handle(), KILLED_EXIT_CODE) };
    }
}

fn create_job() -> io::Result<OwnedHandle> {
    // SAFETY: both pointers may be null: default security, no name.
    let job = unsafe { CreateJobObjectW(ptr::null(), ptr::null()) };
    check(i32::from(!job.is_null()))?;
    // SAFETY: the handle is open and nobody else's.
    let job = unsafe { OwnedHandle::from_raw_handle(job) };
    let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    // SAFETY: pointer and size are those of the structure that the class asks for.
    check(unsafe {
        SetInformationJobObject(
            job.as_raw_handle(),
            JobObjectExtendedLimitInformation,
            ptr::from_ref(&limits).cast::<c_void>(),
            size_of::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>() as u32,
        )
    })?;
    Ok(job)
}

fn check(result: i32) -> io::Result<()> {
    match result {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
