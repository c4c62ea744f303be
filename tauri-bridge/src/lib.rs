//! Runs the classroom SFU as a sidecar of a Tauri app.
//!
//! It is launched with the app, says when it is ready, comes back when it falls, and is gone when
//! the app is gone. The README has the few lines that an app adds.

use std::path::PathBuf;

use tauri::{
    AppHandle, Emitter, Manager, RunEvent, Runtime,
    plugin::{Builder, TauriPlugin},
    utils::platform::current_exe,
};

mod commands;
mod config;
mod error;
mod handshake;
mod machine;
mod notice;
mod process;
mod sidecar;

pub use config::{Backoff, Config, Restart};
pub use error::{Code, Error, Exit, Result};
pub use handshake::{Addresses, Fatal, Media, Peer, ProcessCost, Ready, Status, Warning};
pub use machine::State;
pub use notice::{Exited, Notice, Restarting};
pub use sidecar::{Info, Sidecar};

/// Gives an app, a handle or a window its SFU.
pub trait ClassroomSfuExt<R: Runtime> {
    /// The SFU of this app.
    fn classroom_sfu(&self) -> &Sidecar;
}

impl<R: Runtime, T: Manager<R>> ClassroomSfuExt<R> for T {
    fn classroom_sfu(&self) -> &Sidecar {
        self.state::<Sidecar>().inner()
    }
}

/// Makes the plugin; see [`Config`] for what `tauri.conf.json` may say.
#[must_use]
pub fn init<R: Runtime>() -> TauriPlugin<R, Option<Config>> {
    Builder::<R, Option<Config>>::new("classroom-sfu")
        .invoke_handler(tauri::generate_handler![
            commands::start,
            commands::stop,
            commands::status,
            commands::info,
        ])
        .setup(|app, api| {
            let config = api.config().clone().unwrap_or_default();
            let program = config
                .program
                .clone()
                .unwrap_or_else(|| bundled_program(app));
            let auto_start = config.auto_start;
            let teller = app.clone();
            let sidecar = Sidecar::new(config, program, move |notice| tell(&teller, &notice))?;
            if auto_start {
                sidecar.start_soon();
            }
            app.manage(sidecar);
            Ok(())
        })
        .on_event(|app, event| {
            if let RunEvent::Exit = event {
                app.classroom_sfu().stop_blocking();
            }
        })
        .build()
}

/// Where the bundler puts the one-file form (`externalBin`), or else the folder form (`resources`).
fn bundled_program<R: Runtime>(app: &AppHandle<R>) -> PathBuf {
    let name = format!("classroom-sfu{}", std::env::consts::EXE_SUFFIX);
    let next_to_app =
        current_exe().map_or_else(|_| PathBuf::new(), |exe| exe.with_file_name(&name));
    let in_folder = app
        .path()
        .resource_dir()
        .map(|dir| dir.join("classroom-sfu").join(&name));
    match in_folder {
        Ok(in_folder) if !next_to_app.is_file() && in_folder.is_file() => in_folder,
        _ => next_to_app,
    }
}

fn tell<R: Runtime>(app: &AppHandle<R>, notice: &Notice) {
    log::info!("{}", notice.event());
    if let Err(error) = app.emit(notice.event(), notice) {
        log::error!("cannot tell the frontends: {error}");
    }
}
