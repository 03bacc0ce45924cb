//! Who made a component: the languages and programs that its producers sections name.
//!
//! Invariant: what is told has bounds, and a section that is not as it should be says nothing; the component runs without it.

use wasmparser::{KnownCustom, Parser, Payload, ProducersField};

use crate::{
    error::ComponentError,
    limits::{MADE_BYTES_MAX, MADE_MAX},
};

/// A language or a program with its version, which may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What it is called.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What the component and all modules in it say, each once.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    pub languages: Vec<Made>,
    pub tools: Vec<Made>,
}

impl Producers {
    pub(crate) fn of(wasm: &[u8]) -> Result<Self, ComponentError> {
        let mut producers = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            let Payload::CustomSection(section) = payload? else { continue };
            let KnownCustom::Producers(fields) = section.as_known() else { continue };
            fields.into_iter().map_while(Result::ok).for_each(|field| producers.add(&field));
        }
        Ok(producers)
    }

    fn add(&mut self, field: &ProducersField<'_>) {
        let into = match field.name {
            "language" => &mut self.languages,
            "processed-by" | "sdk" => &mut self.tools,
            _ => return,
        };
        for value in field.values.clone().into_iter().map_while(Result::ok) {
            let is_told = value.name.len() <= MADE_BYTES_MAX && value.version.len() <= MADE_BYTES_MAX;
            if into.len() >= MADE_MAX || !is_told {
                continue;
            }
            let made = Made { name: value.name.to_owned(), version: value.version.to_owned() };
            if !into.contains(&made) {
                into.push(made);
            }
        }
    }
}
