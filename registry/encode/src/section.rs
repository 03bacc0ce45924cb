//! A custom section, as it stands at the end of a component (WebAssembly, "Custom Section"): 0, the size, the name with its length, the
//! text.

pub(crate) fn custom_section(name: &str, text: &str) -> Vec<u8> {
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
}
