//! Components byte by byte: sections, as they are written and as they are found.

/// What a component begins with.
pub const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// What a core module begins with.
pub const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A number as WebAssembly writes it (LEB128).
pub fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A section of that number.
pub fn section(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], number(body.len()).as_slice(), body].concat()
}

/// A section of `count` times the same.
pub fn list(kind: u8, count: usize, item: &[u8]) -> Vec<u8> {
    section(kind, &[number(count), item.repeat(count)].concat())
}

/// A component of sections.
pub fn component(sections: &[Vec<u8>]) -> Vec<u8> {
    [COMPONENT, &sections.concat()].concat()
}

/// The sections of a component or module that is whole: each one's number, its first byte, and the byte after it.
pub fn sections(wasm: &[u8]) -> Vec<(u8, usize, usize)> {
    let (mut found, mut at) = (Vec::new(), COMPONENT.len());
    while at < wasm.len() {
        let (start, kind) = (at, wasm[at]);
        let (mut size, mut shift) = (0, 0);
        loop {
            at += 1;
            size |= usize::from(wasm[at] & 0x7f) << shift;
            shift += 7;
            if wasm[at] < 0x80 {
                break;
            }
        }
        at += 1 + size;
        found.push((kind, start, at));
    }
    found
}
