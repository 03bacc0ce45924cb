//! What a key of `wharf.toml` is made of: its name, what it may hold, and what holds without it.
//!
//! Invariant: whatever reads, shows or describes the file does it by these; which keys there are stands in keys.rs.

use std::ops::RangeInclusive;

use serde_json::Value;

/// One key of a table.
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// What it may hold.
    pub shape: Shape,
    /// What holds without it.
    pub otherwise: Otherwise,
}

/// What a key may hold.
pub enum Shape {
    /// A name, of a tenant or of what it owns.
    Name,
    /// A text.
    Text,
    /// A length of time.
    Duration,
    /// An amount of bytes.
    Size,
    /// A whole number.
    Integer(RangeInclusive<u32>),
    /// A number with at most four decimals.
    Part(RangeInclusive<f64>),
    /// Yes or no.
    Boolean,
    /// Names, at most so many.
    Names(usize),
    /// Names of buckets, each alone or with `:read` behind it.
    Buckets,
    /// Event types, each whole or with a `*` at its end.
    Types,
    /// Methods of HTTP, at most so many.
    Methods(usize),
    /// Requests, each methods, a scheme, a host and a path.
    Requests,
    /// Fields of requests, each a URL, a name, and a text with a secret in it.
    Fields,
    /// Names of routes to models, or of models.
    Routes,
    /// Networks, each an address or an address with the length of its prefix.
    Networks,
    /// Addresses with a port.
    Sockets,
    /// Strings, numbers and booleans under any names.
    Settings,
    /// Texts, at most so many.
    Words(usize),
    /// Texts under any names.
    Texts,
    /// Whole numbers under names.
    Weights(RangeInclusive<u32>),
    /// An event pattern: a table, or JSON in a string.
    Pattern,
    /// A payload: a table, or JSON in a string.
    Payload,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A table of these keys.
    Table(&'static [Key]),
    /// At least one table of these keys; messages call it so.
    Tables(&'static str, &'static [Key]),
    /// At most so many tables of these keys.
    List(&'static str, usize, &'static [Key]),
    /// A table of these keys, which says something by being there: without it none of them holds.
    Given(&'static [Key]),
    /// Tables of these keys, each under a name.
    Named(Named),
}

/// Tables of the same keys under names.
pub struct Named {
    /// What messages call one of them.
    pub one: &'static str,
    /// The name of the one that is there even if nobody writes it.
    pub always: Option<&'static str>,
    /// What their names look like, where those are no names of the usual kind.
    pub names: Option<&'static str>,
    /// The keys of each.
    pub keys: &'static [Key],
}

/// What holds where a key is left out.
pub enum Otherwise {
    /// It must be there.
    Required,
    /// Nothing; of a table, what holds without its keys.
    Nothing,
    /// This, as it would be written.
    Default(fn() -> Value),
    /// This, where a key does not stand beside it.
    Instead(&'static str, fn() -> Value),
    /// What the key beside it holds.
    Beside(&'static str),
    /// Of a table, what holds without its keys; but nothing where one of these stands beside it.
    Unless(&'static [&'static str]),
}

pub(super) const fn key(name: &'static str, about: &'static str, shape: Shape, otherwise: Otherwise) -> Key {
    Key { name, about, shape, otherwise }
}
