//! The exact type of a core module: what it imports and exports.
//!
//! Invariant: what an import of that type is given and gives is what the module has, no more and no less; of a module whose type cannot be said in
//! numbers, vectors, `funcref` and `externref`, memories of 32 bits and tables there is none. Its functions are not read.

use std::collections::BTreeSet;

use wasm_encoder::{
    EntityType, GlobalType as Global, MemoryType as Memory, ModuleType, RefType as Reference, TableType as Table,
    ValType as Value,
};
use wasmparser::{
    ExternalKind, FuncType, GlobalType, MemoryType, Parser, Payload, RefType, TableType, TypeRef, ValType,
};

/// The type of a module that can be a part, whose code section has at least so many bytes: it defines no memory, since one with a memory is some plugin's
/// own, and what memories a component has shall be seen from it alone.
pub(crate) fn shape(module: &[u8], code_bytes_min: usize) -> Option<ModuleType> {
    let (mut shape, mut spaces) = (ModuleType::new(), Spaces::default());
    for payload in Parser::new(0).parse_all(module) {
        match payload.ok()? {
            Payload::TypeSection(types) => {
                for of in types.into_iter_err_on_gc_types() {
                    function(&mut shape, &of.ok()?)?;
                }
            }
            Payload::ImportSection(imports) => {
                let mut names = BTreeSet::new();
                for import in imports.into_imports() {
                    let import = import.ok()?;
                    if !names.insert((import.module, import.name)) {
                        return None;
                    }
                    shape.import(import.module, import.name, spaces.import(import.ty)?);
                }
            }
            Payload::FunctionSection(functions) => {
                for of in functions {
                    spaces.functions.push(of.ok()?);
                }
            }
            Payload::TableSection(tables) => {
                for of in tables {
                    spaces.tables.push(table(&of.ok()?.ty)?);
                }
            }
            Payload::GlobalSection(globals) => {
                for of in globals {
                    spaces.globals.push(global(&of.ok()?.ty)?);
                }
            }
            Payload::MemorySection(_) | Payload::TagSection(_) => return None,
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export.ok()?;
                    shape.export(export.name, spaces.export(export.kind, export.index)?);
                }
            }
            Payload::CodeSectionStart { size, .. } => {
                return (usize::try_from(size).ok()? >= code_bytes_min).then_some(shape);
            }
            _ => {}
        }
    }
    None
}

/// What a module has, each by its index.
#[derive(Default)]
struct Spaces {
    functions: Vec<u32>,
    tables: Vec<Table>,
    memories: Vec<Memory>,
    globals: Vec<Global>,
}

impl Spaces {
    /// The type of an import, which has the next index of its kind.
    fn import(&mut self, of: TypeRef) -> Option<EntityType> {
        Some(match of {
            TypeRef::Func(index) => {
                self.functions.push(index);
                EntityType::Function(index)
            }
            TypeRef::Table(of) => {
                let of = table(&of)?;
                self.tables.push(of);
                EntityType::Table(of)
            }
            TypeRef::Memory(of) => {
                let of = memory(&of)?;
                self.memories.push(of);
                EntityType::Memory(of)
            }
            TypeRef::Global(of) => {
                let of = global(&of)?;
                self.globals.push(of);
                EntityType::Global(of)
            }
            TypeRef::Tag(_) | TypeRef::FuncExact(_) => return None,
        })
    }

    fn export(&self, kind: ExternalKind, index: u32) -> Option<EntityType> {
        let index = usize::try_from(index).ok()?;
        match kind {
            ExternalKind::Func => self.functions.get(index).map(|of| EntityType::Function(*of)),
            ExternalKind::Table => self.tables.get(index).map(|of| EntityType::Table(*of)),
            ExternalKind::Memory => self.memories.get(index).map(|of| EntityType::Memory(*of)),
            ExternalKind::Global => self.globals.get(index).map(|of| EntityType::Global(*of)),
            ExternalKind::Tag | ExternalKind::FuncExact => None,
        }
    }
}

/// Adds the type of a function, which has the next index of types.
fn function(shape: &mut ModuleType, of: &FuncType) -> Option<()> {
    let values = |of: &[ValType]| of.iter().map(|of| value(*of)).collect::<Option<Vec<_>>>();
    let (params, results) = (values(of.params())?, values(of.results())?);
    shape.ty().function(params, results);
    Some(())
}

fn value(of: ValType) -> Option<Value> {
    Some(match of {
        ValType::I32 => Value::I32,
        ValType::I64 => Value::I64,
        ValType::F32 => Value::F32,
        ValType::F64 => Value::F64,
        ValType::V128 => Value::V128,
        ValType::Ref(of) => Value::Ref(reference(of)?),
    })
}

fn reference(of: RefType) -> Option<Reference> {
    match of {
        RefType::FUNCREF => Some(Reference::FUNCREF),
        RefType::EXTERNREF => Some(Reference::EXTERNREF),
        _ => None,
    }
}

fn table(of: &TableType) -> Option<Table> {
    let &TableType { element_type, table64, initial, maximum, shared } = of;
    let element_type = reference(element_type)?;
    (!table64 && !shared).then_some(Table { element_type, table64, minimum: initial, maximum, shared })
}

fn memory(of: &MemoryType) -> Option<Memory> {
    let &MemoryType { memory64, shared, initial, maximum, page_size_log2 } = of;
    let is_plain = !memory64 && !shared && page_size_log2.is_none();
    is_plain.then_some(Memory { minimum: initial, maximum, memory64, shared, page_size_log2 })
}

fn global(of: &GlobalType) -> Option<Global> {
    let &GlobalType { content_type, mutable, shared } = of;
    let val_type = value(content_type)?;
    (!shared).then_some(Global { val_type, mutable, shared })
}
