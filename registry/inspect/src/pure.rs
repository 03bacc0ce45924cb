//! Whether a component imports a capability. A transform must not: what it gives follows from the event alone.
//!
//! What always links and is inert is no capability, and neither is an interface of which only types are imported, as an
//! interface that uses types of another imports that one.

use wasmparser::{
    component_types::ComponentEntityType,
    types::{Types, TypesRef},
};

use crate::offers::{OFFERS, Offered};

/// Whether an import is of a package of which all links for every component and does nothing.
pub(crate) fn is_inert(import: &str) -> bool {
    let package = import.split_once('/').map_or(import, |(package, _)| package);
    let mut of_it = OFFERS.iter().filter(|offer| offer.package == package).peekable();
    of_it.peek().is_some() && of_it.all(|offer| offer.gives == Offered::Inert)
}

/// Whether a component imports only types of the interface that it imports under this name.
pub(crate) fn imports_only_types(types: &Types, name: &str) -> bool {
    let item = types.component_item_for_import(name);
    item.is_some_and(|item| is_only_types(types.as_ref(), &item.ty))
}

/// It walks a type as often as it is named; the validator bounds that by how large a type may be in all.
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
