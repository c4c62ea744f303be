use tauri::{AppHandle, Runtime, command};

use crate::{ClassroomSfuExt, Info, Result, handshake::Ready, handshake::Status};

#[command]
pub(crate) async fn start<R: Runtime>(app: AppHandle<R>) -> Result<Ready> {
    app.classroom_sfu().start().await
}

#[command]
pub(crate) async fn stop<R: Runtime>(app: AppHandle<R>) -> Result<()> {
    app.classroom_sfu().stop().await
}

#[command]
pub(crate) async fn status<R: Runtime>(app: AppHandle<R>) -> Result<Status> {
    app.classroom_sfu().status().await
}

#[command]
pub(crate) fn info<R: Runtime>(app: AppHandle<R>) -> Info {
    app.classroom_sfu().info()
}
