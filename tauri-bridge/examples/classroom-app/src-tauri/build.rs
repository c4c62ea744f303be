use std::{env, fs, path::PathBuf};

use tauri_build::{Attributes, WindowsAttributes};

fn main() {
    let windows = WindowsAttributes::new().window_icon_path(windows_icon());
    tauri_build::try_build(Attributes::new().windows_attributes(windows))
        .expect("the app cannot be built");
}

/// Puts the PNG into the container that Windows wants icons in.
fn windows_icon() -> PathBuf {
    const SIZE: u8 = 64;
    const HEADER_BYTES: u32 = 22;
    let png = fs::read("icons/icon.png").expect("the icon is there");
    let length = u32::try_from(png.len()).expect("the icon is small");
    let mut icon = vec![0, 0, 1, 0, 1, 0, SIZE, SIZE, 0, 0, 1, 0, 32, 0];
    icon.extend(length.to_le_bytes());
    icon.extend(HEADER_BYTES.to_le_bytes());
    icon.extend(png);
    let path = PathBuf::from(env::var_os("OUT_DIR").expect("set by Cargo")).join("icon.ico");
    fs::write(&path, icon).expect("the build folder can be written");
    path
}
