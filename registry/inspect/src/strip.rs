//! A component without what only debuggers read: custom sections of names, debug information, and what linkers leave.
//!
//! Invariant: what is in a section that runs is byte for byte as it was, and so is every other custom section: what a component needs and declares, and
//! who made it. Bytes that are no component come back as they are; that they are none is for `check` to say.

use wasmparser::{Parser, Payload};

use crate::limits::DEPTH_MAX;

/// Whether names of functions stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// They stay: a trap is told with them.
    Kept,
    /// They go too.
    Dropped,
}

/// The component without it.
#[must_use]
pub fn strip(wasm: &[u8], names: Names) -> Vec<u8> {
    stripped(wasm, names).unwrap_or_else(|| wasm.to_vec())
}

/// Nothing where it is not as a component or module is.
fn stripped(wasm: &[u8], names: Names) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(wasm.len());
    // What is around the part that is read: the sections before it, and which one it is.
    let mut around = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.ok()?;
        match &payload {
            Payload::Version { range, .. } => out.extend_from_slice(wasm.get(range.clone())?),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                let (id, range) = payload.as_section()?;
                // The parser takes one that was cut off for one that ends there.
                wasm.get(range)?;
                around.push((id, std::mem::take(&mut out)));
                if around.len() > DEPTH_MAX as usize {
                    return None;
                }
            }
            Payload::End(_) => {
                let Some((id, before)) = around.pop() else { break };
                let within = std::mem::replace(&mut out, before);
                write(&mut out, id, &within);
            }
            Payload::CustomSection(custom) if is_left_out(custom.name(), names) => {}
            section => {
                if let Some((id, range)) = section.as_section() {
                    write(&mut out, id, wasm.get(range)?);
                }
            }
        }
    }
    Some(out)
}

/// Whether a custom section goes, by its name.
fn is_left_out(name: &str, names: Names) -> bool {
    let is_debug = name.starts_with(".debug_") || name.starts_with("reloc.");
    let is_left = matches!(name, "linking" | "sourceMappingURL" | "external_debug_info");
    let is_names = matches!(name, "name" | "component-name");
    is_debug || is_left || (is_names && names == Names::Dropped)
}

/// A section: its number, its length (unsigned LEB128), what is in it.
fn write(out: &mut Vec<u8>, id: u8, content: &[u8]) {
    out.push(id);
    let mut length = content.len();
    loop {
        // Masked, so that it is one byte.
        let low = u8::try_from(length & 0x7f).unwrap_or_default();
        length >>= 7;
        if length == 0 {
            out.push(low);
            break;
        }
        out.push(low | 0x80);
    }
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, id, content);
        out
    }

    fn custom(name: &str, size: usize) -> Vec<u8> {
        section(0, &[&[u8::try_from(name.len()).unwrap()][..], name.as_bytes(), &vec![7; size]].concat())
    }

    fn module(sections: &[Vec<u8>]) -> Vec<u8> {
        [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
    }

    fn component(sections: &[Vec<u8>]) -> Vec<u8> {
        [b"\0asm\x0d\0\x01\0".to_vec(), sections.concat()].concat()
    }

    #[test]
    fn names_and_debug_information_go_wherever_they_are_and_all_else_stays() {
        let memory = section(5, &[1, 0, 1]);
        let needs = custom("wharf:needs", 40);
        let with = |names: &[Vec<u8>], debug: &[Vec<u8>]| {
            let inner = module(&[memory.clone(), names.concat(), debug.concat(), custom("producers", 300)]);
            let nested = component(&[section(1, &inner), names.concat()]);
            component(&[section(1, &inner), section(4, &nested), needs.clone(), debug.concat()])
        };
        let names = [custom("name", 20_000), custom("component-name", 5)];
        let debug = [custom(".debug_info", 200_000), custom("linking", 9), custom("reloc.CODE", 9)];
        assert_eq!(strip(&with(&names, &debug), Names::Dropped), with(&[], &[]));
        assert_eq!(strip(&with(&names, &debug), Names::Kept), with(&names, &[]));
        assert_eq!(strip(&with(&[], &[]), Names::Dropped), with(&[], &[]));
    }

    #[test]
    fn lengths_of_any_size_are_written() {
        for (length, wanted) in [(0, &[0_u8][..]), (127, &[127]), (128, &[0x80, 1]), (16_384, &[0x80, 0x80, 1])] {
            assert_eq!(section(9, &vec![7; length]), [&[9], wanted, &vec![7; length]].concat());
        }
        // As linkers write it, so that they can fill it in later.
        let padded = [b"\0asm\x01\0\0\0".to_vec(), vec![5, 0x83, 0x80, 0x80, 0x80, 0, 1, 0, 1]].concat();
        assert_eq!(strip(&padded, Names::Dropped), module(&[section(5, &[1, 0, 1])]));
    }

    #[test]
    fn what_is_no_component_stays_as_it_is() {
        let whole = component(&[section(1, &module(&[custom("name", 30)]))]);
        for end in 1..whole.len() {
            assert_eq!(strip(&whole[..end], Names::Dropped), &whole[..end]);
        }
        for bytes in [&b""[..], b"\0asm", b"text that is none", &[0xff; 300]] {
            assert_eq!(strip(bytes, Names::Dropped), bytes);
        }
        let deep = (0..100).fold(component(&[]), |within, _| component(&[section(4, &within)]));
        assert_eq!(strip(&deep, Names::Dropped), deep);
    }
}
