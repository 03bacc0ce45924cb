//! The sections of a component, as bytes: where each begins and ends, and how one is written.
//!
//! Invariant: the sections of a component with its first eight bytes are all of it. What is in them is not looked at.

use wasmparser::BinaryReader;

/// What a component begins with.
pub(crate) const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// The numbers of the sections that matter here.
pub(crate) const CORE_MODULE: u8 = 1;
pub(crate) const CORE_TYPES: u8 = 3;
pub(crate) const INNER_COMPONENT: u8 = 4;
pub(crate) const ALIASES: u8 = 6;
pub(crate) const IMPORTS: u8 = 10;
pub(crate) const EXPORTS: u8 = 11;

/// One section.
pub(crate) struct Section<'a> {
    /// Its number.
    pub id: u8,
    /// All of it, as it is written.
    pub whole: &'a [u8],
    /// What is in it.
    pub body: &'a [u8],
    /// Where that begins, in bytes from the component's beginning.
    pub at: usize,
}

/// The sections of a component; nothing of bytes that are none.
pub(crate) fn sections(component: &[u8]) -> Option<Vec<Section<'_>>> {
    let mut reader = BinaryReader::new(component.strip_prefix(COMPONENT)?, COMPONENT.len());
    let mut sections = Vec::new();
    while !reader.eof() {
        let begins = reader.original_position();
        let id = reader.read_u8().ok()?;
        let length = reader.read_var_u32().ok()?;
        let at = reader.original_position();
        let body = reader.read_bytes(usize::try_from(length).ok()?).ok()?;
        let whole = component.get(begins..reader.original_position())?;
        sections.push(Section { id, whole, body, at });
    }
    Some(sections)
}

/// Writes a section: its number, its length (unsigned LEB128), what is in it.
pub(crate) fn write(out: &mut Vec<u8>, id: u8, body: &[u8]) {
    use wasm_encoder::Encode as _;
    out.push(id);
    body.encode(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_all_of_a_component_and_a_cut_one_is_none() {
        let mut component = COMPONENT.to_vec();
        write(&mut component, 1, &[7; 300]);
        // As linkers write it, so that they can fill it in later.
        component.extend([4, 0x83, 0x80, 0x80, 0x80, 0, 1, 2, 3]);
        let read = sections(&component).unwrap();
        assert_eq!(read.iter().map(|section| (section.id, section.body.len())).collect::<Vec<_>>(), [(1, 300), (4, 3)]);
        assert_eq!([COMPONENT, read[0].whole, read[1].whole].concat(), component);
        assert_eq!(&component[read[1].at..], read[1].body);
        let cuts = (0..component.len()).filter(|end| sections(&component[..*end]).is_some());
        assert_eq!(cuts.collect::<Vec<_>>(), [8, 8 + read[0].whole.len()]);
        assert!(sections(b"\0asm\x01\0\0\0").is_none(), "a core module");
    }
}
