//! What a model takes and gives.
//!
//! Invariant: it is what the model's file says of itself, so that it can be told without making the model ready. An element is one that the contract
//! with plugins has; a model may keep the same in fewer bits (`values.rs`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a tensor is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// 32-bit floats; also for models that have 16 bits.
    F32,
    /// 64-bit floats.
    F64,
    /// 32-bit whole numbers; also for models that have 8 or 16 bits.
    I32,
    /// 64-bit whole numbers; also for models that have 32 bits without a sign.
    I64,
    /// Yes or no.
    Bool,
    /// Texts.
    String,
}

impl Element {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::Bool => "bool",
            Self::String => "string",
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How long a tensor is in one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dim {
    /// So many elements.
    Fixed(u32),
    /// As many as all others of that name.
    Named(String),
    /// As many as one likes.
    Any,
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(length) => write!(f, "{length}"),
            Self::Named(name) => f.write_str(name),
            Self::Any => f.write_str("?"),
        }
    }
}

/// A tensor that goes in or comes out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// What it is of.
    pub element: Element,
    /// Its dimensions; absent where the model does not say how many.
    pub shape: Option<Vec<Dim>>,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.element)?;
        match &self.shape {
            None => f.write_str("[…]"),
            Some(dims) => write!(f, "[{}]", dims.iter().map(Dim::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

/// What a model is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// What goes in.
    pub inputs: Vec<Port>,
    /// What comes out.
    pub outputs: Vec<Port>,
    /// Its nodes.
    pub nodes: u32,
    /// The version of ONNX's operators that it is for.
    pub opset: u32,
    /// What made it, as it says.
    pub producer: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_told_as_people_write_it() {
        let shape = Some(vec![Dim::Named("N".to_owned()), Dim::Fixed(3), Dim::Any]);
        let port = Port { name: "x".to_owned(), element: Element::F32, shape };
        assert_eq!(port.to_string(), "x: f32[N, 3, ?]");
        assert_eq!(Port { shape: None, ..port.clone() }.to_string(), "x: f32[…]");
        let json = serde_json::to_string(&port).unwrap();
        assert_eq!(json, r#"{"name":"x","element":"f32","shape":[{"named":"N"},{"fixed":3},"any"]}"#);
        assert_eq!(serde_json::from_str::<Port>(&json).unwrap(), port);
    }
}
