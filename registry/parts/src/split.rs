//! Taking the parts out.
//!
//! A module at the component's top becomes an import in its very place, so that modules keep their indices; a second one with the same bytes an alias of the
//! first. A module of a component within is imported at the top, and aliased in its place; that gives the top modules that it
//! had not, so it is done only where the top has none of its own.
//! Invariant: core types are what an import adds, so a component with core types at its top stays whole. Whatever else is there stays, byte for byte.

use std::{borrow::Cow, ops::Range};

use wasm_encoder::{
    Alias, ComponentAliasSection, ComponentImportSection, ComponentOuterAliasKind, ComponentSection as _,
    ComponentTypeRef, CoreTypeSection, ModuleType,
};
use wasmparser::{
    BinaryReader, ComponentAlias, ComponentAliasSectionReader, ComponentExportSectionReader, ComponentExternalKind,
    ComponentImportSectionReader, ComponentOuterAliasKind as Outer,
};
use wharf_event::Digest;

use crate::{
    limits::{DEPTH_MAX, PART_CODE_BYTES_MIN, PARTS_MAX},
    name::{looks_like_one, name},
    section::{
        ALIASES, COMPONENT, CORE_MODULE, CORE_TYPES, EXPORTS, IMPORTS, INNER_COMPONENT, Section, sections, write,
    },
    shape::shape,
};

/// A component taken apart.
#[derive(Debug)]
pub struct Parts<'a> {
    /// What is left, which imports the parts; the component itself where there are none.
    pub rest: Cow<'a, [u8]>,
    /// What was taken out, each once, in the order of the imports.
    pub modules: Vec<Part>,
}

/// A core module that was taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Where it is in the component, in bytes.
    pub range: Range<usize>,
}

/// Takes the large core modules out of a component that was found valid.
#[must_use]
pub fn parts(component: &[u8]) -> Parts<'_> {
    parts_from(component, PART_CODE_BYTES_MIN)
}

/// The same of those whose code section has at least so many bytes.
pub(crate) fn parts_from(component: &[u8], code_bytes_min: usize) -> Parts<'_> {
    let mut taking = Taking { code_bytes_min, ..Taking::default() };
    match taking.top(component) {
        Some(rest) if !taking.imported.is_empty() => Parts { rest: rest.into(), modules: taking.parts() },
        _ => Parts { rest: component.into(), modules: Vec::new() },
    }
}

/// What a component has at its top, as far as it decides what can be taken out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Top {
    /// No module.
    NoModules,
    /// Modules.
    Modules,
}

/// A part whose import is in the rest.
struct Imported {
    part: Part,
    /// The module's index at the top.
    index: u32,
}

#[derive(Default)]
struct Taking {
    code_bytes_min: usize,
    imported: Vec<Imported>,
    /// Imports of parts within that are to be written before the component that they are in.
    awaited: Vec<u8>,
}

impl Taking {
    fn parts(self) -> Vec<Part> {
        self.imported.into_iter().map(|imported| imported.part).collect()
    }

    /// The rest of a component; nothing where it is none, or none that can be taken apart.
    fn top(&mut self, component: &[u8]) -> Option<Vec<u8>> {
        let sections = sections(component)?;
        let top = look(&sections)?;
        let mut rest = Vec::with_capacity(component.len());
        rest.extend_from_slice(COMPONENT);
        let mut modules = 0;
        for section in &sections {
            match section.id {
                CORE_MODULE => {
                    match self.taken(section.body, section.at, modules) {
                        Some(Taken::New(import)) => rest.extend(import),
                        Some(Taken::Again(index)) => alias(&mut rest, 0, index),
                        None => rest.extend_from_slice(section.whole),
                    }
                    modules += 1;
                }
                INNER_COMPONENT if top == Top::NoModules => {
                    let within = self.within(section.body, section.at, 1);
                    rest.append(&mut self.awaited);
                    match within {
                        Some(within) => write(&mut rest, INNER_COMPONENT, &within),
                        None => rest.extend_from_slice(section.whole),
                    }
                }
                _ => {
                    modules += added(section)?;
                    rest.extend_from_slice(section.whole);
                }
            }
        }
        Some(rest)
    }

    /// A component within, so deep, without its parts; nothing where it has none.
    fn within(&mut self, component: &[u8], at: usize, depth: u32) -> Option<Vec<u8>> {
        if depth > DEPTH_MAX {
            return None;
        }
        let (mut rest, mut is_changed) = (COMPONENT.to_vec(), false);
        for section in sections(component)? {
            let place = at + section.at;
            let index = match section.id {
                CORE_MODULE => self.hoisted(section.body, place),
                INNER_COMPONENT => {
                    if let Some(within) = self.within(section.body, place, depth + 1) {
                        write(&mut rest, INNER_COMPONENT, &within);
                        is_changed = true;
                        continue;
                    }
                    None
                }
                _ => None,
            };
            match index {
                Some(index) => alias(&mut rest, depth, index),
                None => rest.extend_from_slice(section.whole),
            }
            is_changed |= index.is_some();
        }
        is_changed.then_some(rest)
    }

    /// The index at the top of a module within, which is imported there.
    fn hoisted(&mut self, module: &[u8], at: usize) -> Option<u32> {
        // There are no modules at the top but these.
        let next = u32::try_from(self.imported.len()).ok()?;
        match self.taken(module, at, next)? {
            Taken::New(import) => {
                self.awaited.extend(import);
                Some(next)
            }
            Taken::Again(index) => Some(index),
        }
    }

    /// Takes a module that may be a part; a new one has that index.
    fn taken(&mut self, module: &[u8], at: usize, index: u32) -> Option<Taken> {
        if module.len() < self.code_bytes_min {
            return None;
        }
        let shape = shape(module, self.code_bytes_min)?;
        let digest = Digest::of(module);
        if let Some(there) = self.imported.iter().find(|imported| imported.part.digest == digest) {
            return Some(Taken::Again(there.index));
        }
        if self.imported.len() >= PARTS_MAX {
            return None;
        }
        // There are no core types at the top but those of these imports.
        let import = import(&digest, &shape, u32::try_from(self.imported.len()).ok()?);
        let part = Part { digest, range: at..at + module.len() };
        self.imported.push(Imported { part, index });
        Some(Taken::New(import))
    }
}

/// How a module was taken out.
enum Taken {
    /// By this import.
    New(Vec<u8>),
    /// It is imported already, as that module of the top.
    Again(u32),
}

/// The sections that import a module of that type, which becomes the core type of this index.
fn import(digest: &Digest, shape: &ModuleType, core_type: u32) -> Vec<u8> {
    let (mut types, mut imports) = (CoreTypeSection::new(), ComponentImportSection::new());
    types.ty().module(shape);
    imports.import(name(digest).as_str(), ComponentTypeRef::Module(core_type));
    let mut out = Vec::new();
    types.append_to_component(&mut out);
    imports.append_to_component(&mut out);
    out
}

/// Writes the section that gives the module of that index, so many components outwards, the next index here.
fn alias(out: &mut Vec<u8>, count: u32, index: u32) {
    let mut aliases = ComponentAliasSection::new();
    aliases.alias(Alias::Outer { kind: ComponentOuterAliasKind::CoreModule, count, index });
    aliases.append_to_component(out);
}

/// What is at the top of a component; nothing where it has core types, or imports something by a part's name.
fn look(sections: &[Section<'_>]) -> Option<Top> {
    let mut top = Top::NoModules;
    for section in sections {
        match section.id {
            CORE_TYPES => return None,
            ALIASES => {
                for alias in ComponentAliasSectionReader::new(BinaryReader::new(section.body, section.at)).ok()? {
                    if let ComponentAlias::Outer { kind: Outer::CoreType, .. } = alias.ok()? {
                        return None;
                    }
                }
            }
            IMPORTS => {
                for import in ComponentImportSectionReader::new(BinaryReader::new(section.body, section.at)).ok()? {
                    if looks_like_one(import.ok()?.name.name) {
                        return None;
                    }
                }
            }
            _ => {}
        }
        if section.id == CORE_MODULE || added(section)? > 0 {
            top = Top::Modules;
        }
    }
    Some(top)
}

/// How many modules a section that defines none gives an index.
pub(crate) fn added(section: &Section<'_>) -> Option<u32> {
    let reader = BinaryReader::new(section.body, section.at);
    let mut modules = 0;
    match section.id {
        ALIASES => {
            for alias in ComponentAliasSectionReader::new(reader).ok()? {
                let is_one = match alias.ok()? {
                    ComponentAlias::InstanceExport { kind, .. } => kind == ComponentExternalKind::Module,
                    ComponentAlias::Outer { kind, .. } => kind == Outer::CoreModule,
                    ComponentAlias::CoreInstanceExport { .. } => false,
                };
                modules += u32::from(is_one);
            }
        }
        IMPORTS => {
            for import in ComponentImportSectionReader::new(reader).ok()? {
                modules += u32::from(import.ok()?.ty.kind() == ComponentExternalKind::Module);
            }
        }
        EXPORTS => {
            for export in ComponentExportSectionReader::new(reader).ok()? {
                modules += u32::from(export.ok()?.kind == ComponentExternalKind::Module);
            }
        }
        _ => {}
    }
    Some(modules)
}
