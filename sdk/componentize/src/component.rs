//! From the module that a compiler made to a component.
//!
//! Invariant: the component is valid, and replaces the one before it in one step.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use crate::bindings;

/// WASI 0.1 that answers by itself, for components that import nothing.
const PURE: &str = include_str!("pure.wat");

/// What is asked for.
#[derive(Default)]
struct Request<'a> {
    /// A world of the contract, where the module does not say itself what it is.
    world: Option<&'a str>,
    /// Whether what the module asks of WASI is answered within the component: a transform imports nothing.
    is_pure: bool,
    /// Custom sections: what the component says of itself.
    sections: Vec<(&'a str, &'a str)>,
}

/// The command `component`.
pub fn run(mut arguments: &[&str]) -> Result<()> {
    let mut request = Request::default();
    loop {
        arguments = match arguments {
            ["--world", world, rest @ ..] => {
                request.world = Some(world);
                rest
            }
            ["--pure", rest @ ..] => {
                request.is_pure = true;
                rest
            }
            ["--section", section, rest @ ..] => {
                request.sections.push(section.split_once('=').context("--section takes NAME=TEXT")?);
                rest
            }
            [module, component] => return make(&request, Path::new(module), Path::new(component)),
            other => bail!("component: MODULE and COMPONENT are expected, not `{}`", other.join(" ")),
        }
    }
}

fn make(request: &Request<'_>, from: &Path, to: &Path) -> Result<()> {
    let mut module = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    if let Some(world) = request.world {
        let (resolve, world) = bindings::load(world)?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    }
    let mut encoder = ComponentEncoder::default();
    let answers = if request.is_pure { wat::parse_str(PURE)? } else { ADAPTER.to_vec() };
    encoder.validate(true).module(&module)?.adapter(ADAPTER_NAME, &answers)?;
    let mut component = encoder.encode().with_context(|| format!("{} is no plugin", from.display()))?;
    for (name, text) in &request.sections {
        component.extend(custom_section(name, text));
    }
    let half = to.with_extension("half");
    fs::write(&half, component).with_context(|| format!("writing {}", half.display()))?;
    fs::rename(&half, to).with_context(|| format!("making {}", to.display()))
}

/// A custom section as it stands at the end of a component: 0, the size, the name with its length, the text.
fn custom_section(name: &str, text: &str) -> Vec<u8> {
    let mut content = leb128(name.len());
    content.extend(name.as_bytes());
    content.extend(text.as_bytes());
    [vec![0], leb128(content.len()), content].concat()
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_has_its_size_its_name_and_its_text() {
        assert_eq!(custom_section("ab", "cd"), [0, 5, 2, b'a', b'b', b'c', b'd']);
        let long = custom_section("n", &"x".repeat(200));
        assert_eq!(long.get(..5).unwrap(), [0, 0xca, 0x01, 1, b'n']);
    }

    #[test]
    fn a_pure_component_imports_nothing_whatever_its_module_asks_of_wasi() {
        let folder = std::env::temp_dir().join(format!("wharf-componentize-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (module, component) = (folder.join("module.wasm"), folder.join("component.wasm"));
        let text = r#"(module
            (import "wasi_snapshot_preview1" "clock_time_get" (func $now (param i32 i64 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "wharf:plugin/transformer@0.1.0#transform") (param i32) (result i32)
                (drop (call $now (i32.const 0) (i64.const 0) (i32.const 64))) (i32.const 128))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))"#;
        fs::write(&module, wat::parse_str(text).unwrap()).unwrap();
        for (option, imports_a_clock) in [(&["--pure"][..], false), (&[], true)] {
            let files = [module.to_str().unwrap(), component.to_str().unwrap()];
            run(&[option, &["--world", "event-transform"], &files].concat()).unwrap();
            let made = fs::read(&component).unwrap();
            let has = |name: &[u8]| made.windows(name.len()).any(|at| at == name);
            assert_eq!(has(b"wasi:clocks"), imports_a_clock);
            assert!(has(b"wharf:plugin/transformer@0.1.0"));
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_request_needs_both_files() {
        assert!(run(&["--section", "a=b", "only-one.wasm"]).unwrap_err().to_string().contains("COMPONENT"));
        assert!(run(&["--section", "ab", "a", "b"]).unwrap_err().to_string().contains("NAME=TEXT"));
    }
}
