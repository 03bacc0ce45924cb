//! The bounds of a component, each with its unit. What lies above them is refused before it is validated.

/// Bytes of a component.
pub const COMPONENT_BYTES_MAX: usize = 64 << 20;

/// Linear memories that its modules define, used or not. A component in JavaScript whose WASI is stubbed has 3. The engine's pool has room for so many in each instance.
pub const MEMORIES_MAX: u32 = 3;

/// Tables that its modules define.
pub const TABLES_MAX: u32 = 8;

/// Core instances that it makes of modules. A Python component has 42, one for each library in it; an attempt may have no more than this.
pub const CORE_INSTANCES_MAX: u32 = 64;

/// Core modules in it.
pub const MODULES_MAX: u32 = 100;

/// Components in it.
pub const COMPONENTS_MAX: u32 = 100;

/// Components and modules around one that is in it, itself aside.
pub const DEPTH_MAX: u32 = 8;

/// Sections, of everything that is in it too.
pub const SECTIONS_MAX: u32 = 10_000;

/// Types of components that are declared, of everything that is in it too.
pub const TYPES_MAX: u32 = 100_000;

/// What the component itself imports.
pub const IMPORTS_MAX: u32 = 256;

/// What the component itself exports.
pub const EXPORTS_MAX: u32 = 256;

/// What modules and components in it export.
pub const INNER_EXPORTS_MAX: u32 = 200_000;

/// Bytes of the name of something that the component itself imports or exports.
pub const NAME_BYTES_MAX: u32 = 512;

/// Languages that are told of a component, and programs that made it; further ones are not.
pub const MADE_MAX: usize = 32;

/// Bytes of such a name and of its version; longer ones are not told.
pub const MADE_BYTES_MAX: usize = 256;

/// Names that a refusal lists.
pub const NAMES_TOLD: usize = 8;

/// Characters of what the validator says.
pub const PROBLEM_CHARS_MAX: usize = 1_000;
