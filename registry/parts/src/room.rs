//! Room in a component's memory: pages that it has from its beginning on, and gives out when its module asks for more.
//!
//! A memory that grew has to be taken back before the next instance has its place, and that is a change of page tables which every processor that runs this
//! process is interrupted for: in a virtual machine it costs more than many a call. Most allocators ask for their first page at the first call.
//!
//! A module that grows its memory gets `memory.size` as a number of its own, and a function that is called in place of `memory.grow`: it gives what the
//! room has, and asks the memory only for what is beyond. So both give what they gave before, and what is beyond the room is refused as it was.
//!
//! Invariants: only a memory that is the one of its component, and that no module but its own can grow, has room; a component of which that is not certain is
//! left as it is. Indices stay, since what is added comes last. What differs is that a module that reads or writes beyond its own size, but within the
//! room, is not stopped: it meets what itself put there, or zeros.

use std::{borrow::Cow, convert::Infallible};

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, Function, FunctionSection, GlobalSection, GlobalType, Instruction,
    MemorySection, Module, TypeSection, ValType,
    reencode::{Error, Reencode, utils},
};
use wasmparser::{
    CodeSectionReader, FunctionBody, FunctionSectionReader, GlobalSectionReader, MemorySectionReader, MemoryType,
    Operator, Parser, Payload, TypeRef, TypeSectionReader,
};

use crate::{
    section::{COMPONENT, CORE_MODULE, INNER_COMPONENT, sections, write},
    split::added,
};

/// Pages that a memory of 32 bits has at most.
const PAGES_MAX: i32 = 65_536;

/// What `memory.grow` says where there is no more.
const REFUSED: i32 = -1;

/// Gives the memory of a component that was found valid room for so many pages of 64 KiB, as far as it has no more than `most` then.
#[must_use]
pub fn with_room(component: &[u8], pages: u32, most: u32) -> Cow<'_, [u8]> {
    roomy(component, pages, most).map_or(Cow::Borrowed(component), Cow::Owned)
}

/// The same; nothing where no memory is to have any.
fn roomy(component: &[u8], pages: u32, most: u32) -> Option<Vec<u8>> {
    let sections = sections(component)?;
    let mut outlines = Vec::new();
    for section in &sections {
        match section.id {
            CORE_MODULE => outlines.push(Outline::of(section.body)?),
            INNER_COMPONENT if has_modules(section.body) => return None,
            INNER_COMPONENT => {}
            // A module that comes from elsewhere may grow any memory.
            _ if added(section)? > 0 => return None,
            _ => {}
        }
    }
    let with_memories = outlines.iter().filter(|outline| !outline.memories.is_empty()).count();
    if with_memories != 1 || outlines.iter().any(Outline::may_grow_anothers) {
        return None;
    }
    let (mut out, mut is_changed) = (COMPONENT.to_vec(), false);
    let mut outlines = outlines.into_iter();
    for section in &sections {
        let added = if section.id == CORE_MODULE { outlines.next()?.added(pages, most) } else { None };
        match added {
            Some(mut added) => {
                let mut module = Module::new();
                added.parse_core_module(&mut module, Parser::new(0), section.body).ok()?;
                write(&mut out, CORE_MODULE, module.as_slice());
                is_changed = true;
            }
            None => out.extend_from_slice(section.whole),
        }
    }
    is_changed.then_some(out)
}

/// Whether a component within has modules of its own.
fn has_modules(component: &[u8]) -> bool {
    let mut payloads = Parser::new(0).parse_all(component);
    payloads.any(|payload| payload.map_or(true, |payload| matches!(payload, Payload::ModuleSection { .. })))
}

/// What decides about a module's room.
#[derive(Default)]
struct Outline {
    types: u32,
    functions: u32,
    globals: u32,
    /// Memories of its own.
    memories: Vec<MemoryType>,
    /// Those that it imports.
    imported: usize,
    /// Whether it asks how large a memory is, or for more of it.
    asks: bool,
    grows: bool,
    has_globals: bool,
}

impl Outline {
    fn of(module: &[u8]) -> Option<Self> {
        let mut outline = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload.ok()? {
                Payload::TypeSection(types) => {
                    for of in types.into_iter_err_on_gc_types() {
                        of.ok()?;
                        outline.types += 1;
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        match import.ok()?.ty {
                            TypeRef::Func(_) | TypeRef::FuncExact(_) => outline.functions += 1,
                            TypeRef::Global(_) => outline.globals += 1,
                            TypeRef::Memory(_) => outline.imported += 1,
                            TypeRef::Table(_) | TypeRef::Tag(_) => {}
                        }
                    }
                }
                Payload::FunctionSection(functions) => outline.functions += functions.count(),
                Payload::MemorySection(memories) => {
                    outline.memories = memories.into_iter().collect::<Result<_, _>>().ok()?;
                }
                Payload::GlobalSection(globals) => {
                    outline.globals += globals.count();
                    outline.has_globals = true;
                }
                Payload::CodeSectionEntry(body) => outline.look(&body)?,
                _ => {}
            }
        }
        Some(outline)
    }

    fn look(&mut self, body: &FunctionBody<'_>) -> Option<()> {
        if !self.grows && may_ask(body) {
            for operator in body.get_operators_reader().ok()? {
                let operator = operator.ok()?;
                self.grows |= matches!(operator, Operator::MemoryGrow { .. });
                self.asks |= matches!(operator, Operator::MemoryGrow { .. } | Operator::MemorySize { .. });
            }
        }
        Some(())
    }

    /// Whether it may ask about a memory of another module, or for more of it.
    fn may_grow_anothers(&self) -> bool {
        // Of more than one only the first is looked for.
        self.imported > 0 && (self.asks || self.imported + self.memories.len() > 1)
    }

    /// What the module gets for so many pages; nothing where it is to stay as it is.
    fn added(self, pages: u32, most: u32) -> Option<Added> {
        let [memory] = self.memories.as_slice() else { return None };
        let is_plain = !memory.memory64 && !memory.shared && memory.page_size_log2.is_none();
        if !(is_plain && self.grows && self.imported == 0 && self.has_globals) {
            return None;
        }
        let most = memory.maximum.unwrap_or(u64::MAX).min(most.into());
        let with_room = most.min(memory.initial + u64::from(pages));
        let size = i32::try_from(memory.initial).ok()?;
        (with_room > memory.initial).then_some(Added {
            of_type: self.types,
            function: self.functions,
            global: self.globals,
            size,
            with_room,
        })
    }
}

/// Whether the bytes of a function can be such that it asks for the first memory. Few can that do not, so the others need not be read.
fn may_ask(body: &FunctionBody<'_>) -> bool {
    /// `memory.size` and `memory.grow`.
    const ASKS: [u8; 2] = [0x3f, 0x40];
    // The index of the memory follows: 0, in one byte or in more.
    body.as_bytes().array_windows().any(|[asks, index]| ASKS.contains(asks) && matches!(index, 0 | 0x80))
}

/// What a module gets, by the indices that it has then.
struct Added {
    of_type: u32,
    function: u32,
    global: u32,
    /// Pages that the module has at its beginning, and those that its memory has.
    size: i32,
    with_room: u64,
}

impl Added {
    /// `memory.grow` by what the module knows of its memory.
    fn grow(&self) -> Function {
        const WANTED: u32 = 0;
        const BEFORE: u32 = 1;
        const THEN: u32 = 2;
        let mut function = Function::new([(2, ValType::I32)]);
        let mut code = function.instructions();
        // What no memory has is refused by the memory itself, and no sum overflows.
        code.local_get(WANTED).i32_const(PAGES_MAX).i32_gt_u().if_(BlockType::Empty);
        code.local_get(WANTED).memory_grow(0).return_().end();
        code.global_get(self.global).local_tee(BEFORE).local_get(WANTED).i32_add().local_tee(THEN);
        code.memory_size(0).i32_gt_u().if_(BlockType::Empty);
        code.local_get(THEN).memory_size(0).i32_sub().memory_grow(0).i32_const(REFUSED).i32_eq();
        code.if_(BlockType::Empty).i32_const(REFUSED).return_().end();
        code.end();
        code.local_get(THEN).global_set(self.global).local_get(BEFORE).end();
        function
    }
}

impl Reencode for Added {
    type Error = Infallible;

    fn parse_type_section(&mut self, types: &mut TypeSection, section: TypeSectionReader<'_>) -> Result<(), Error> {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([ValType::I32], [ValType::I32]);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.of_type);
        Ok(())
    }

    fn parse_memory_section(
        &mut self,
        memories: &mut MemorySection,
        section: MemorySectionReader<'_>,
    ) -> Result<(), Error> {
        for memory in section {
            memories.memory(wasm_encoder::MemoryType { minimum: self.with_room, ..self.memory_type(memory?)? });
        }
        Ok(())
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: GlobalSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_global_section(self, globals, section)?;
        let size = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        globals.global(size, &ConstExpr::i32_const(self.size));
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: CodeSectionReader<'_>) -> Result<(), Error> {
        utils::parse_code_section(self, code, section)?;
        code.function(&self.grow());
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Result<(), Error> {
        if may_ask(&body) {
            return utils::parse_function_body(self, code, body);
        }
        code.raw(body.as_bytes());
        Ok(())
    }

    fn instruction<'a>(&mut self, operator: Operator<'a>) -> Result<Instruction<'a>, Error> {
        match operator {
            Operator::MemoryGrow { .. } => Ok(Instruction::Call(self.function)),
            Operator::MemorySize { .. } => Ok(Instruction::GlobalGet(self.global)),
            _ => utils::instruction(self, operator),
        }
    }
}

#[cfg(test)]
mod tests {
    use wasmparser::Validator;

    use super::*;

    const GROWS: &str = "(func (result i32) i32.const 1 memory.grow)";

    fn component(text: &str) -> Vec<u8> {
        let bytes = wat::parse_str(format!("(component {text})")).unwrap();
        Validator::new().validate_all(&bytes).unwrap();
        bytes
    }

    /// A module that grows its memory, which has these pages.
    fn module(pages: &str) -> String {
        format!(r#"(core module (memory (export "memory") {pages}) (global (mut i32) (i32.const 7)) {GROWS})"#)
    }

    /// The pages that the memories of a component begin with, in their order.
    fn initial(component: &[u8]) -> Vec<u64> {
        let sections = Parser::new(0).parse_all(component).filter_map(|payload| match payload.unwrap() {
            Payload::MemorySection(memories) => Some(memories),
            _ => None,
        });
        sections.flat_map(|memories| memories.into_iter().map(|memory| memory.unwrap().initial)).collect()
    }

    #[test]
    fn a_memory_that_its_module_grows_has_room_as_far_as_it_may_grow() {
        for (pages, expected) in
            [("1", 5), ("3 1000", 7), ("3 5", 5), ("3 3", 3), ("4094", 4_096), ("4097", 4_097), ("0", 4)]
        {
            let component = component(&module(pages));
            let roomy = with_room(&component, 4, 4_096);
            Validator::new().validate_all(&roomy).unwrap();
            assert_eq!(initial(&roomy), [expected], "{pages}");
        }
    }

    #[test]
    fn what_does_not_grow_stays_and_what_does_has_it_beside_that() {
        let one = module("1");
        let still = r#"(core module (import "a" "b" (memory 0)) (global i32 (i32.const 7)) (func (result i32) (i32.load8_u (i32.const 0))))
            (component (component))"#;
        let component = component(&format!("{still} {one} {still}"));
        let roomy = with_room(&component, 4, 4_096);
        Validator::new().validate_all(&roomy).unwrap();
        assert_eq!(initial(&roomy), [5]);
        let (before, after) = (sections(&component).unwrap(), sections(&roomy).unwrap());
        let kept = before.iter().zip(&after).filter(|(before, after)| before.whole == after.whole).count();
        assert_eq!((before.len(), after.len(), kept), (5, 5, 4));
    }

    #[test]
    fn a_component_stays_whole_where_another_module_may_grow_the_memory_or_nobody_can() {
        let one = module("1");
        let others = [
            // By a memory that it is given, whatever that is.
            format!(r#"(core module (import "a" "b" (memory 1)) {GROWS})"#),
            r#"(core module (import "a" "b" (memory 1)) (func (result i32) memory.size))"#.to_owned(),
            // The second one of those that it is given.
            r#"(core module (import "a" "b" (memory 1)) (import "a" "c" (memory 1)) (func (result i32) i32.const 1 memory.grow 1))"#.to_owned(),
            r#"(core module (import "a" "b" (memory 1)) (memory 1) (func (result i32) memory.size 1))"#.to_owned(),
            "(core module (memory 1))".to_owned(),
            one.clone(),
            "(component (core module))".to_owned(),
            "(component (component (core module)))".to_owned(),
            r#"(import "m" (core module))"#.to_owned(),
        ];
        for other in others {
            let component = component(&format!("{one} {other}"));
            assert!(matches!(with_room(&component, 4, 4_096), Cow::Borrowed(_)), "{other}");
        }
        let none = format!("(core module (memory 1) {GROWS})");
        for text in ["", "(core module)", "(core module (memory 1))", &none] {
            assert!(matches!(with_room(&component(text), 4, 4_096), Cow::Borrowed(_)), "{text}");
        }
        assert!(matches!(with_room(&component(&one), 0, 4_096), Cow::Borrowed(_)));
        assert!(matches!(with_room(b"no component", 4, 4_096), Cow::Borrowed(_)));
    }

    #[test]
    fn an_index_that_is_written_in_more_bytes_than_it_needs_is_seen() {
        let mut bytes = wat::parse_str(module("1").replace("(core module", "(module")).unwrap();
        let at = bytes.windows(2).position(|two| two == [0x40, 0]).unwrap();
        // The code section and its one function are a byte longer then.
        bytes.splice(at + 1..=at + 1, [0x80, 0]);
        let code = bytes.iter().rposition(|byte| *byte == 10).unwrap();
        bytes[code + 1] += 1;
        bytes[code + 3] += 1;
        Validator::new().validate_all(&bytes).unwrap();
        assert!(Outline::of(&bytes).unwrap().grows);
    }
}
