//! Makes a module of `pure.wat` when the crate is built, so that nothing has to read WebAssembly's text at run time.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=src/pure.wat");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("pure.wasm"), wat::parse_file("src/pure.wat")?)?;
    Ok(())
}
