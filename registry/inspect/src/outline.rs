//! A first pass over a component: what is in it, counted, and the names of what it imports and exports itself.
//!
//! Invariant: it ends at the first bound that is broken, so the passes behind it meet only what has bounds. It takes sections as they are;
//! whether they make sense is for the validator.

use wasmparser::{Instance, Parser, Payload};

use crate::{
    error::ComponentError,
    limits::{
        COMPONENTS_MAX, CORE_INSTANCES_MAX, DEPTH_MAX, EXPORTS_MAX, IMPORTS_MAX, INNER_EXPORTS_MAX, MEMORIES_MAX,
        MODULES_MAX, NAME_BYTES_MAX, SECTIONS_MAX, TABLES_MAX, TYPES_MAX,
    },
};

/// What the component itself imports and exports.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// Something that is counted, up to a bound.
struct Count {
    what: &'static str,
    found: u64,
    most: u32,
}

impl Count {
    const fn of(what: &'static str, most: u32) -> Self {
        Self { what, found: 0, most }
    }

    fn add(&mut self, count: u32) -> Result<(), ComponentError> {
        self.found += u64::from(count);
        self.check()
    }

    fn check(&self) -> Result<(), ComponentError> {
        let Self { what, found, most } = *self;
        if found > u64::from(most) { Err(ComponentError::Bounds { what, found, most }) } else { Ok(()) }
    }
}

/// All that is counted, over everything that is in the component.
struct Counts {
    sections: Count,
    depth: Count,
    modules: Count,
    components: Count,
    memories: Count,
    tables: Count,
    core_instances: Count,
    types: Count,
    imports: Count,
    exports: Count,
    inner_exports: Count,
}

impl Counts {
    const NONE: Self = Self {
        sections: Count::of("sections", SECTIONS_MAX),
        depth: Count::of("levels of components in components", DEPTH_MAX),
        modules: Count::of("core modules", MODULES_MAX),
        components: Count::of("components in it", COMPONENTS_MAX),
        memories: Count::of("linear memories", MEMORIES_MAX),
        tables: Count::of("tables", TABLES_MAX),
        core_instances: Count::of("core instances", CORE_INSTANCES_MAX),
        types: Count::of("types", TYPES_MAX),
        imports: Count::of("imports", IMPORTS_MAX),
        exports: Count::of("exports", EXPORTS_MAX),
        inner_exports: Count::of("exports of what is in it", INNER_EXPORTS_MAX),
    };

    /// Counts what is in a payload, whoever's it is.
    fn inner(&mut self, payload: &Payload<'_>) -> Result<(), ComponentError> {
        match payload {
            Payload::ModuleSection { .. } => self.modules.add(1),
            Payload::ComponentSection { .. } => self.components.add(1),
            Payload::MemorySection(section) => self.memories.add(section.count()),
            Payload::TableSection(section) => self.tables.add(section.count()),
            Payload::ComponentTypeSection(section) => self.types.add(section.count()),
            Payload::CoreTypeSection(section) => self.types.add(section.count()),
            Payload::ExportSection(section) => self.inner_exports.add(section.count()),
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    if matches!(instance?, Instance::Instantiate { .. }) {
                        self.core_instances.add(1)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Outline {
    pub(crate) fn of(wasm: &[u8]) -> Result<Self, ComponentError> {
        let (mut counts, mut outline) = (Counts::NONE, Self::default());
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            if payload.as_section().is_some() {
                counts.sections.add(1)?;
            }
            counts.inner(&payload)?;
            match payload {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => counts.depth.add(1)?,
                Payload::End(_) => counts.depth.found = counts.depth.found.saturating_sub(1),
                Payload::ComponentImportSection(section) if counts.depth.found == 0 => {
                    counts.imports.add(section.count())?;
                    for import in section {
                        outline.imports.push(named(import?.name.name)?);
                    }
                }
                Payload::ComponentExportSection(section) if counts.depth.found == 0 => {
                    counts.exports.add(section.count())?;
                    for export in section {
                        outline.exports.push(named(export?.name.name)?);
                    }
                }
                Payload::ComponentExportSection(section) => counts.inner_exports.add(section.count())?,
                _ => {}
            }
        }
        Ok(outline)
    }

    /// What it imports, then what it exports.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.imports.iter().chain(&self.exports)
    }
}

fn named(name: &str) -> Result<String, ComponentError> {
    let mut bytes = Count::of("bytes in a name", NAME_BYTES_MAX);
    bytes.add(u32::try_from(name.len()).unwrap_or(u32::MAX))?;
    Ok(name.to_owned())
}
