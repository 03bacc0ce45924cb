//! Core modules that components share, in memory: an interpreter of all plugins of one language, that is.
//!
//! Invariants: a module is in memory once, from when the first component that needs it is loaded until the last of them is gone, and is
//! compiled by one at a time. Who waits for one waits for no other: each has locks of its own, and whoever has one of a module has none of a second one. Who
//! only loads never waits for who compiles.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use wasmtime::{
    Engine, Module,
    component::{Component, types::ComponentItem},
};
use wharf_event::Digest;
use wharf_parts::wanted;

use crate::residency::Counted;

/// One in memory.
pub(crate) struct Shared {
    pub(crate) module: Module,
    _counted: Counted,
}

impl Shared {
    pub(crate) fn new(module: Module, counted: Counted) -> Arc<Self> {
        Arc::new(Self { module, _counted: counted })
    }
}

/// Those that a component needs.
pub(crate) type Beside = BTreeMap<Digest, Arc<Shared>>;

/// Where one is, while anybody has it.
#[derive(Default)]
pub(crate) struct Place {
    /// Who holds it loads the module, if it is not there.
    there: Mutex<Weak<Shared>>,
    /// Who holds it may compile the module.
    making: Mutex<()>,
}

impl Place {
    /// The turn to load it.
    pub(crate) fn there(&self) -> MutexGuard<'_, Weak<Shared>> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn to compile it.
    pub(crate) fn making(&self) -> MutexGuard<'_, ()> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that are in memory, by the digests of their bytes.
#[derive(Default)]
pub(crate) struct SharedModules(Mutex<HashMap<Digest, Arc<Place>>>);

impl SharedModules {
    /// The place of that one.
    pub(crate) fn place(&self, digest: &Digest) -> Arc<Place> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Who has a lock of one has the place too.
        places.retain(|_, place| {
            Arc::strong_count(place) > 1 || place.there.try_lock().is_ok_and(|there| there.strong_count() > 0)
        });
        Arc::clone(places.entry(*digest).or_default())
    }
}

/// The modules that a component imports: by which names, and which.
pub(crate) fn needs(engine: &Engine, component: &Component) -> Vec<(String, Digest)> {
    let ty = component.component_type();
    let modules = ty.imports(engine).filter(|(_, import)| matches!(import.ty, ComponentItem::Module(_)));
    modules.filter_map(|(name, _)| Some((name.to_owned(), wanted(name)?))).collect()
}
