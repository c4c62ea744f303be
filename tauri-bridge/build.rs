//! Generates the permissions of the commands.

const COMMANDS: &[&str] = &["start", "stop", "status", "info"];

fn main() {
    tauri_plugin::Builder::new(COMMANDS).build();
}
