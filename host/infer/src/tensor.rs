//! Tensors as whoever asks has them: a name, a shape, values in the order of rows.

use crate::description::Element;

/// The values of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
    /// 32-bit whole numbers.
    I32(Vec<i32>),
    /// 64-bit whole numbers.
    I64(Vec<i64>),
    /// Yes or no.
    Bool(Vec<bool>),
    /// Texts.
    String(Vec<String>),
}

impl Values {
    /// What they are.
    #[must_use]
    pub const fn element(&self) -> Element {
        match self {
            Self::F32(_) => Element::F32,
            Self::F64(_) => Element::F64,
            Self::I32(_) => Element::I32,
            Self::I64(_) => Element::I64,
            Self::Bool(_) => Element::Bool,
            Self::String(_) => Element::String,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::I32(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::Bool(values) => values.len(),
            Self::String(values) => values.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::F32(values) => values.len().saturating_mul(4),
            Self::I32(values) => values.len().saturating_mul(4),
            Self::F64(values) => values.len().saturating_mul(8),
            Self::I64(values) => values.len().saturating_mul(8),
            Self::Bool(values) => values.len(),
            Self::String(values) => values.iter().map(|text| text.len() + 4).sum(),
        }
    }
}

/// A tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The input that it is for, or the output that it is of. Empty where there is only one.
    pub name: String,
    /// How long it is in each direction.
    pub shape: Vec<u32>,
    /// Its values, the last direction first.
    pub values: Values,
}

impl Tensor {
    /// Elements that its shape has.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1, |all: u64, length| all.saturating_mul((*length).into()))
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.name.len() + self.shape.len() * 4 + self.values.bytes()
    }
}
