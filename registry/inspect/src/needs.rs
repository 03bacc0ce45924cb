//! What a component says that it needs: the custom sections of that name, its own and those of everything that is in it.
//!
//! Invariant: they have bounds, and one that is not as it should be is a mistake, since a plugin that asks for something that nobody reads
//! would only be denied later.

use wasmparser::{Parser, Payload};
use wharf_event::{GrantBounds, NEEDS_SECTION, limits::NEEDS_BYTES_MAX, needs_from_json};

use crate::{error::ComponentError, limits::PROBLEM_CHARS_MAX};

/// What a component says that it needs; nothing where it does not say.
///
/// # Errors
/// When it says it in a way that is not understood.
pub fn needs(wasm: &[u8]) -> Result<GrantBounds, ComponentError> {
    let mut said = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CustomSection(section) = payload?
            && section.name() == NEEDS_SECTION
            && said.len() <= NEEDS_BYTES_MAX
        {
            said.extend_from_slice(section.data());
        }
    }
    needs_from_json(&said).map_err(|error| {
        let problem = error.to_string().chars().take(PROBLEM_CHARS_MAX).collect();
        ComponentError::Needs { problem }
    })
}

#[cfg(test)]
mod tests {
    use wharf_event::Code;

    use super::*;

    /// A section of that number; everything here is shorter than 128 bytes.
    fn section(number: u8, body: &[u8]) -> Vec<u8> {
        [&[number, u8::try_from(body.len()).unwrap()], body].concat()
    }

    fn says(text: &str) -> Vec<u8> {
        section(0, &[b"\x0bwharf:needs", text.as_bytes()].concat())
    }

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn what_a_module_within_says_counts_beside_what_the_component_says() {
        let module = [b"\0asm\x01\0\0\0".as_slice(), &says(r#"{"kv": ["a:read"]}"#)].concat();
        let wasm = [COMPONENT, &section(1, &module), &says(r#"{"publish": ["t"]}"#)].concat();
        assert_eq!(serde_json::to_string(&needs(&wasm).unwrap()).unwrap(), r#"{"publish":["t"],"kv":["a:read"]}"#);
        assert!(needs(COMPONENT).unwrap().is_open());
    }

    #[test]
    fn what_is_not_understood_is_a_mistake() {
        for text in ["yes", r#"{"ai": ["x"]}"#, r#"{"kv": ["a"]} and more"#] {
            let error = needs(&[COMPONENT, &says(text)].concat()).unwrap_err();
            assert_eq!(error.code(), Code::ComponentNeeds, "{text}");
        }
        assert_eq!(needs(b"\0asm").unwrap_err().code(), Code::ComponentInvalid);
    }
}
