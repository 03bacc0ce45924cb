//! The limits of inputs, each with its unit. They bound what one input can cost in memory, and what one event can cost in
//! time whatever the input is. What comes out is bounded as any event is: `wharf_event::limits::EVENT_BYTES_MAX`.

/// The text of a template, in bytes. EventBridge has the same limit.
pub const TEMPLATE_BYTES_MAX: usize = 8_192;

/// Lists and objects within each other in a template.
pub const TEMPLATE_DEPTH_MAX: usize = 32;

/// A constant, in bytes. EventBridge has the same limit.
pub const CONSTANT_BYTES_MAX: usize = 8_192;

/// Paths that a template may name. EventBridge has the same limit.
pub const VARIABLES_MAX: usize = 100;

/// The name of a path of a template, in bytes. EventBridge has the same limit.
pub const VARIABLE_NAME_BYTES_MAX: usize = 256;

/// A path, in bytes. EventBridge has the same limit.
pub const PATH_BYTES_MAX: usize = 256;

/// Mistakes that are told of one input.
pub const MISTAKES_MAX: usize = 20;

/// How much of a refused text an error message repeats, in characters.
pub const SHOWN_CHARS_MAX: usize = 64;
