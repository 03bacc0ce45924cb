//! Lists what `wharf new` writes: each language's SDK and its templates, of `sdk/`, as they are when the binary is built. And it makes
//! the plugins of `wharf bench`.
//!
//! Invariant: what is built, fetched or only for this repository's own tests is left out. A language is there when its folder has
//! templates that can be built as they are written; nothing else has to be said of it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// Folders that tools leave behind, in templates too.
const LEFT_BY_TOOLS: [&str; 3] = ["__pycache__", "node_modules", "target"];

/// Folders and files that are no part of an SDK, beside those and hidden ones.
const LEFT_OUT: [&str; 11] = [
    "template",
    "bindgen",
    "tests",
    "test",
    "dist",
    "build",
    "vendor",
    "Cargo.lock",
    "clippy.toml",
    "rustfmt.toml",
    "tools",
];

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let sdks = here.join("../../sdk").canonicalize()?;
    println!("cargo:rerun-if-changed={}", sdks.display());
    let mut text = String::from("&[\n");
    for language in folders(&sdks)? {
        let templates = language.join("template");
        // What is written has to build and to pass its tests at once: without a `wharf.toml` in it there is nothing to build.
        if !templates.join("event/wharf.toml").is_file() {
            continue;
        }
        let mut sdk = Vec::new();
        files(&language, &language, true, &mut sdk)?;
        text.push_str(&format!("Language {{ name: {:?}, sdk: {}, templates: &[\n", name(&language), listed(&sdk)));
        for template in folders(&templates)? {
            let mut all = Vec::new();
            files(&template, &template, false, &mut all)?;
            text.push_str(&format!("({:?}, {}),\n", name(&template), listed(&all)));
        }
        text.push_str("] },\n");
    }
    text.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("languages.rs"), text)?;
    benched(&here.join("src/cli/bench/plugins"), &out)
}

/// Makes the plugins of `wharf bench`: components of texts, each with what both begin with.
fn benched(texts: &Path, out: &Path) -> io::Result<()> {
    println!("cargo:rerun-if-changed={}", texts.display());
    let head = fs::read_to_string(texts.join("head.wat"))?;
    for name in ["count", "count-batch"] {
        let rest = fs::read_to_string(texts.join(format!("{name}.wat")))?;
        let component = wat::parse_str(format!("(component\n{head}\n{rest})")).map_err(io::Error::other)?;
        fs::write(out.join(format!("bench-{name}.wasm")), component)?;
    }
    Ok(())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn folders(of: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(of)? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// The files below a folder: their paths within `root`, and where they are.
fn files(root: &Path, folder: &Path, is_sdk: bool, all: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    let mut entries =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        let name = name(&path);
        if LEFT_BY_TOOLS.contains(&name.as_str()) {
            continue;
        }
        if is_sdk && (name.starts_with('.') || LEFT_OUT.contains(&name.as_str()) || name.ends_with(".egg-info")) {
            continue;
        }
        if path.is_dir() {
            files(root, &path, is_sdk, all)?;
        } else if let Ok(within) = path.strip_prefix(root) {
            all.push((within.to_string_lossy().into_owned(), path));
        }
    }
    Ok(())
}

fn listed(files: &[(String, PathBuf)]) -> String {
    let line = |(within, path): &(String, PathBuf)| {
        format!("({within:?}, include_bytes!({:?})),\n", path.display().to_string())
    };
    format!("&[\n{}]", files.iter().map(line).collect::<String>())
}
