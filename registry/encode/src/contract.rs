//! The contract `wit/`, read when a module does not say itself of which world it is; and wasi:http, as far as what answers requests has it.
//!
//! Worlds of handlers have here what a plugin imports beside its world. What a module does not import its component does not either.

use wit_parser::{Resolve, WorldId};

use crate::error::EncodeError;

/// The contract's texts, in the order in which its packages need each other.
const CONTRACT: [(&str, &str); 7] = [
    ("clocks.wit", include_str!("../../../wit/deps/clocks/clocks.wit")),
    ("config.wit", include_str!("../../../wit/deps/config/store.wit")),
    ("keyvalue.wit", include_str!("../../../wit/deps/keyvalue/store.wit")),
    ("logging.wit", include_str!("../../../wit/deps/logging/logging.wit")),
    ("random.wit", include_str!("../../../wit/deps/random/random.wit")),
    ("secrets.wit", include_str!("../../../wit/deps/secrets/secrets.wit")),
    ("plugin.wit", include_str!("../../../wit/plugin.wit")),
];

/// What handlers import beside their worlds, and these worlds as they begin.
const BESIDE: &str = "    import wharf:secrets/held@0.1.0;\n";
const HANDLERS: [&str; 2] = ["world event-handler {\n", "world event-batch-handler {\n"];

/// The world `proxy`: the part of wasi:http/proxy that the SDKs and templates use, the same text for each language.
const PROXY: [(&str, &str); 1] = [("proxy.wit", include_str!("../../../sdk/python/template/http/wit/proxy.wit"))];

/// One world, by its name without the package.
pub(crate) fn world(name: &str) -> Result<(Resolve, WorldId), EncodeError> {
    let unknown = || EncodeError::World { world: name.chars().take(100).collect() };
    let mut resolve = Resolve::default();
    let mut plugin = None;
    let texts: &[(&str, &str)] = if name == "proxy" { &PROXY } else { &CONTRACT };
    for (path, text) in texts {
        let text =
            HANDLERS.iter().fold((*text).to_owned(), |text, begin| text.replace(begin, &format!("{begin}{BESIDE}")));
        plugin = Some(resolve.push_str(path, &text).map_err(EncodeError::module)?);
    }
    let world = resolve.select_world(&[plugin.ok_or_else(unknown)?], Some(name)).map_err(|_| unknown())?;
    Ok((resolve, world))
}
