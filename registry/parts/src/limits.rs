//! The bounds of what is taken out of a component, each with its unit.

/// Bytes of the code section from which on a module is a part. Compiling less takes some milliseconds, no more than a part of its own costs.
pub const PART_CODE_BYTES_MIN: usize = 64 << 10;

/// Parts of one component; what is beyond them stays in it. Each is compiled with limits of its own, so this bounds what one component may
/// take of the compiler. One in Python has 3.
pub const PARTS_MAX: usize = 8;

/// Components around a module that is taken out.
pub const DEPTH_MAX: u32 = 8;
