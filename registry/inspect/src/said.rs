//! What a component says of itself: custom sections, its own and those of everything that is in it.
//!
//! Invariant: they have bounds, and one that is not as it should be is a mistake: a plugin that asks for something that nobody reads would only
//! be denied later, and one whose events nobody reads would get none.

use wasmparser::{Parser, Payload};
use wharf_event::{
    Declared, GrantBounds, HANDLER_SECTION, NEEDS_SECTION, declared_from_json,
    limits::{DECLARED_BYTES_MAX, NEEDS_BYTES_MAX},
    needs_from_json,
};

use crate::{error::ComponentError, limits::PROBLEM_CHARS_MAX};

/// What a component says that it needs; nothing where it does not say.
///
/// # Errors
/// When it says it in a way that is not understood.
pub fn needs(wasm: &[u8]) -> Result<GrantBounds, ComponentError> {
    let said = sections(wasm, NEEDS_SECTION, NEEDS_BYTES_MAX)?;
    needs_from_json(&said).map_err(|error| ComponentError::Needs { problem: clipped(&error) })
}

/// What a component says of its handler; nothing where it does not say.
///
/// # Errors
/// When it says it in a way that is not understood.
pub fn declared(wasm: &[u8]) -> Result<Declared, ComponentError> {
    let said = sections(wasm, HANDLER_SECTION, DECLARED_BYTES_MAX)?;
    declared_from_json(&said).map_err(|error| ComponentError::Handler { problem: clipped(&error) })
}

/// What all sections of a name have, one after the other; a little more than `bytes_max` where that is too much.
fn sections(wasm: &[u8], name: &str, bytes_max: usize) -> Result<Vec<u8>, ComponentError> {
    let mut said = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CustomSection(section) = payload?
            && section.name() == name
            && said.len() <= bytes_max
        {
            said.extend(section.data().iter().take(bytes_max + 1));
        }
    }
    Ok(said)
}

fn clipped(error: &dyn std::error::Error) -> String {
    error.to_string().chars().take(PROBLEM_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use wharf_event::Code;

    use super::*;

    /// A section of that number; everything here is shorter than 128 bytes.
    fn section(number: u8, body: &[u8]) -> Vec<u8> {
        [&[number, u8::try_from(body.len()).unwrap()], body].concat()
    }

    fn says(name: &str, text: &str) -> Vec<u8> {
        section(0, &[&[u8::try_from(name.len()).unwrap()], name.as_bytes(), text.as_bytes()].concat())
    }

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn what_a_module_within_says_counts_beside_what_the_component_says() {
        let within = [says(NEEDS_SECTION, r#"{"kv": ["a:read"]}"#), says(HANDLER_SECTION, r#"{"on": ["a"]}"#)].concat();
        let module = [b"\0asm\x01\0\0\0".as_slice(), &within].concat();
        let own = [says(NEEDS_SECTION, r#"{"publish": ["t"]}"#), says(HANDLER_SECTION, r#"{"on": ["b*"]}"#)].concat();
        let wasm = [COMPONENT, &section(1, &module), &own].concat();
        assert_eq!(serde_json::to_string(&needs(&wasm).unwrap()).unwrap(), r#"{"publish":["t"],"kv":["a:read"]}"#);
        assert_eq!(serde_json::to_string(&declared(&wasm).unwrap()).unwrap(), r#"{"on":["a","b*"]}"#);
        assert!(needs(COMPONENT).unwrap().is_open() && declared(COMPONENT).unwrap().is_nothing());
    }

    #[test]
    fn what_is_not_understood_is_a_mistake() {
        for text in ["yes", r#"{"ai": ["x"]}"#, r#"{"kv": ["a"]} and more"#] {
            let error = needs(&[COMPONENT, &says(NEEDS_SECTION, text)].concat()).unwrap_err();
            assert_eq!(error.code(), Code::ComponentNeeds, "{text}");
            let error = declared(&[COMPONENT, &says(HANDLER_SECTION, text)].concat()).unwrap_err();
            assert_eq!(error.code(), Code::ComponentHandler, "{text}");
        }
        assert_eq!(needs(b"\0asm").unwrap_err().code(), Code::ComponentInvalid);
    }
}
