//! Between the engine's tensors and those of whoever asks.
//!
//! Invariant: no value changes on the way. What the model keeps in fewer bits is refused where it does not fit them, and what the engine gives in
//! other bits is refused where it does not fit those of the answer.

use tract_onnx::prelude::{
    Datum, DatumType, Tensor as Inner,
    tract_ndarray::{ArrayD, IxDyn, ShapeError},
};

use wharf_infer::{
    Element, Failed, Tensor, Values,
    limits::{DIMS_MAX, ELEMENTS_MAX, TENSORS_BYTES_MAX},
    short,
};

/// A tensor that fits an input of the model, as the engine has it.
///
/// # Errors
/// When a value does not fit the bits that the model has.
pub(crate) fn inner(tensor: Tensor, wanted: DatumType) -> Result<Inner, Failed> {
    let shape: Vec<usize> = tensor.shape.iter().map(|length| *length as usize).collect();
    let name = tensor.name;
    let broken = |error: &dyn std::fmt::Display| Failed::Invalid(short(&format!("`{name}`: {error}")));
    fn array<T>(shape: &[usize], values: Vec<T>) -> Result<ArrayD<T>, ShapeError> {
        ArrayD::from_shape_vec(IxDyn(shape), values)
    }
    let made = match tensor.values {
        Values::F32(values) => array(&shape, values).map(Inner::from),
        Values::F64(values) => array(&shape, values).map(Inner::from),
        Values::I32(values) => array(&shape, values).map(Inner::from),
        Values::I64(values) => array(&shape, values).map(Inner::from),
        Values::Bool(values) => array(&shape, values).map(Inner::from),
        Values::String(values) => array(&shape, values).map(Inner::from),
    };
    let made = made.map_err(|error| broken(&error))?;
    let had = made.datum_type();
    if had == wanted {
        return Ok(made);
    }
    let cast = made.cast_to_dt(wanted).map_err(|error| broken(&error))?.into_owned();
    // Floats lose digits that the model would not have used; whole numbers must stay what they are.
    if had.is_integer() && *cast.cast_to_dt(had).map_err(|error| broken(&error))? != made {
        return Err(Failed::Invalid(format!("`{name}` has a value that does not fit the {wanted:?} of the model")));
    }
    Ok(cast)
}

/// An output of the model.
///
/// # Errors
/// When it is more than an answer may have, or a value does not fit it.
pub(crate) fn outer(name: &str, tensor: &Inner, wanted: Element) -> Result<Tensor, Failed> {
    let wrong = |why: &str| Failed::Model(short(&format!("the output `{name}` {why}")));
    if tensor.rank() > DIMS_MAX {
        return Err(wrong("has too many dimensions"));
    }
    if tensor.len() as u64 > ELEMENTS_MAX {
        return Err(Failed::TooLarge(format!(
            "the output `{name}` has {} elements; {ELEMENTS_MAX} may be",
            tensor.len()
        )));
    }
    let lengths = tensor.shape().iter().map(|length| u32::try_from(*length));
    let shape = lengths.collect::<Result<Vec<u32>, _>>().map_err(|_| wrong("is too long"))?;
    let values = values(tensor, wanted).map_err(|error| wrong(&format!("cannot be told: {error}")))?;
    let told = Tensor { name: name.to_owned(), shape, values };
    match told.bytes() {
        bytes if bytes > TENSORS_BYTES_MAX => {
            Err(Failed::TooLarge(format!("the output `{name}` has {bytes} bytes; {TENSORS_BYTES_MAX} may be")))
        }
        _ => Ok(told),
    }
}

/// What the engine computes with, in the bits of the answer.
fn values(tensor: &Inner, wanted: Element) -> Result<Values, String> {
    let kind = match wanted {
        Element::F32 => DatumType::F32,
        Element::F64 => DatumType::F64,
        Element::I32 => DatumType::I32,
        Element::I64 => DatumType::I64,
        Element::Bool => DatumType::Bool,
        Element::String => DatumType::String,
    };
    let cast = tensor.cast_to_dt(kind).map_err(|error| error.to_string())?;
    if tensor.datum_type().is_integer() {
        let back = cast.cast_to_dt(tensor.datum_type()).map_err(|error| error.to_string())?;
        if *back != *tensor {
            return Err(format!("a value does not fit {wanted}"));
        }
    }
    fn all<T: Datum>(tensor: &Inner) -> Result<Vec<T>, String> {
        let view = tensor.to_plain_array_view::<T>().map_err(|error| error.to_string())?;
        Ok(view.iter().cloned().collect())
    }
    Ok(match wanted {
        Element::F32 => Values::F32(all(&cast)?),
        Element::F64 => Values::F64(all(&cast)?),
        Element::I32 => Values::I32(all(&cast)?),
        Element::I64 => Values::I64(all(&cast)?),
        Element::Bool => Values::Bool(all(&cast)?),
        Element::String => Values::String(all(&cast)?),
    })
}
