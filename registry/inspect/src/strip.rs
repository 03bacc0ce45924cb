//! A component without what only debuggers read: custom sections of names, debug information, and what linkers leave.
//!
//! Invariant: what runs is byte for byte as it was, and so is every other custom section: what a component needs and declares, and who made it.
//! Bytes that are no component come back as they are; that they are none is for `check` to say.

use crate::limits::DEPTH_MAX;

/// What begins every module and component: the magic and the version (WebAssembly, "Modules"; Component Model, "Binary Format").
const HEADER_BYTES: usize = 8;

/// Bytes of a 32-bit number at most (LEB128).
const NUMBER_BYTES_MAX: usize = 5;

/// Whether it is a component: its layer stands in the header.
const COMPONENT_LAYER: u8 = 1;

const CUSTOM: u8 = 0;
/// Sections of a component that have a module or a component in them.
const WITHIN: [u8; 2] = [1, 4];

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
    stripped(wasm, names, 0).unwrap_or_else(|| wasm.to_vec())
}

/// Nothing where it is not as a component or module is.
fn stripped(wasm: &[u8], names: Names, depth: u32) -> Option<Vec<u8>> {
    let (header, mut rest) = wasm.split_at_checked(HEADER_BYTES)?;
    if !header.starts_with(b"\0asm") || depth > DEPTH_MAX {
        return None;
    }
    let is_component = header.get(6) == Some(&COMPONENT_LAYER);
    let mut out = Vec::with_capacity(wasm.len());
    out.extend_from_slice(header);
    while let Some((&id, behind)) = rest.split_first() {
        let (length, behind) = number(behind)?;
        let (content, behind) = behind.split_at_checked(length)?;
        let whole = rest.get(..rest.len().checked_sub(behind.len())?)?;
        rest = behind;
        if id == CUSTOM && is_left_out(content, names)? {
            continue;
        }
        if is_component && WITHIN.contains(&id) {
            let within = stripped(content, names, depth + 1)?;
            out.push(id);
            write(&mut out, within.len());
            out.extend_from_slice(&within);
        } else {
            out.extend_from_slice(whole);
        }
    }
    Some(out)
}

/// Whether a custom section goes, by its name.
fn is_left_out(content: &[u8], names: Names) -> Option<bool> {
    let (length, behind) = number(content)?;
    let name = behind.get(..length)?;
    let is_debug = name.starts_with(b".debug_") || name.starts_with(b"reloc.");
    let is_left = matches!(name, b"linking" | b"sourceMappingURL" | b"external_debug_info");
    let is_names = matches!(name, b"name" | b"component-name");
    Some(is_debug || is_left || (is_names && names == Names::Dropped))
}

/// A number at the beginning (unsigned LEB128 of 32 bits), and what is behind it.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (n, byte) in bytes.iter().take(NUMBER_BYTES_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            let value = usize::try_from(u32::try_from(value).ok()?).ok()?;
            return Some((value, bytes.get(n + 1..)?));
        }
    }
    None
}

/// What stands for a length that was read as 32 bits, or one that became shorter.
fn write(out: &mut Vec<u8>, mut value: usize) {
    loop {
        // Masked, so that it is one byte.
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![id];
        write(&mut out, content.len());
        out.extend_from_slice(content);
        out
    }

    fn custom(name: &str, size: usize) -> Vec<u8> {
        section(CUSTOM, &[&[u8::try_from(name.len()).unwrap()][..], name.as_bytes(), &vec![7; size]].concat())
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
    fn lengths_of_any_size_are_read_and_written() {
        for value in [0, 127, 128, 16_383, 16_384, 2_097_152, u32::MAX as usize] {
            let mut bytes = Vec::new();
            write(&mut bytes, value);
            bytes.push(9);
            assert_eq!(number(&bytes), Some((value, &[9][..])));
        }
        // As linkers write it, so that they can fill it in later; and what is no number of 32 bits.
        assert_eq!(number(&[0x83, 0x80, 0x80, 0x80, 0]), Some((3, &[][..])));
        assert_eq!(number(&[0xff, 0xff, 0xff, 0xff, 0x1f]), None);
        assert_eq!(number(&[0x80; 6]), None);
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
