//! A minimal teacher's app: the plugin, and a window that shows what it says.

// In a release, Windows shows no console beside the window.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() {
    tauri::Builder::default()
        .plugin(tauri_plugin_classroom_sfu::init())
        .run(tauri::generate_context!())
        .expect("the app cannot run");
}
