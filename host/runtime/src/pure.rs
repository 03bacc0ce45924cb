//! Whether a component imports a capability. A transform must not: what it gives follows from the event alone.
//!
//! What always links and is inert is no capability, and neither is an interface of which only types are imported, as an
//! interface that uses types of another imports that one.

use wasmparser::{
    component_types::ComponentEntityType,
    types::{Types, TypesRef},
};

/// Packages that link for every component and do nothing.
const INERT: [&str; 3] = ["wasi:cli/", "wasi:io/", "wasi:filesystem/"];

/// The first of these imports that is a capability.
pub(crate) fn first_capability(types: &Types, imports: &[String]) -> Option<String> {
    let is_capability =
        |name: &&String| !INERT.iter().any(|package| name.starts_with(package)) && !imports_only_types(types, name);
    imports.iter().find(is_capability).cloned()
}

/// Whether a component imports only types of the interface that it imports under this name.
pub(crate) fn imports_only_types(types: &Types, name: &str) -> bool {
    let item = types.component_item_for_import(name);
    item.is_some_and(|item| is_only_types(types.as_ref(), &item.ty))
}

fn is_only_types(types: TypesRef<'_>, ty: &ComponentEntityType) -> bool {
    match ty {
        ComponentEntityType::Type { .. } => true,
        ComponentEntityType::Instance(id) => {
            let exports = types.get(*id).map(|instance| instance.exports.values());
            exports.is_some_and(|mut items| items.all(|item| is_only_types(types, &item.ty)))
        }
        ComponentEntityType::Module(_)
        | ComponentEntityType::Func(_)
        | ComponentEntityType::Value(_)
        | ComponentEntityType::Component(_) => false,
    }
}
