//! Tensors in the Open Inference Protocol's JSON.

use std::fmt;

use serde::{
    Deserialize, Serialize,
    de::{
        self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::MapAccessDeserializer,
    },
};
use serde_json::value::RawValue;

use super::{Body, can_be_said, invalid, not_understood, too_large};
use crate::{
    failed::{Failed, short},
    limits::{DIMS_MAX, ELEMENTS_MAX, PORTS_MAX},
    tensor::{Tensor, Values},
};

#[derive(Serialize)]
struct Request<'a> {
    inputs: Vec<Input<'a>>,
}

#[derive(Serialize)]
struct Input<'a> {
    name: &'a str,
    shape: &'a [u32],
    datatype: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    Bool(&'a [bool]),
    String(&'a [String]),
}

pub(super) fn write(inputs: &[Tensor]) -> Result<Vec<u8>, Failed> {
    let inputs = inputs.iter().map(input).collect::<Result<_, _>>()?;
    let mut body = Body::default();
    serde_json::to_writer(&mut body, &Request { inputs }).map_err(too_large)?;
    Ok(body.0)
}

fn input(Tensor { name, shape, values }: &Tensor) -> Result<Input<'_>, Failed> {
    if name.is_empty() {
        return invalid("every tensor for this model has a name: which inputs it has is not known here");
    }
    can_be_said(values)?;
    let (datatype, data) = match values {
        Values::F32(values) => ("FP32", Data::F32(values)),
        Values::F64(values) => ("FP64", Data::F64(values)),
        Values::I32(values) => ("INT32", Data::I32(values)),
        Values::I64(values) => ("INT64", Data::I64(values)),
        Values::Bool(values) => ("BOOL", Data::Bool(values)),
        Values::String(values) => ("BYTES", Data::String(values)),
    };
    Ok(Input { name, shape, datatype, data })
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    outputs: &'a RawValue,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(default)]
    name: String,
    #[serde(borrow)]
    shape: &'a RawValue,
    datatype: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

pub(super) fn read(body: &[u8]) -> Result<Vec<Tensor>, Failed> {
    let wrong = |error: serde_json::Error| not_understood(&error.to_string());
    let Answer { outputs } = serde_json::from_slice(body).map_err(wrong)?;
    let outputs: Vec<Output<'_>> = flat(outputs, PORTS_MAX).map_err(wrong)?;
    outputs.iter().map(output).collect()
}

fn output(Output { name, shape, datatype, data }: &Output<'_>) -> Result<Tensor, Failed> {
    let wrong = |error: serde_json::Error| {
        not_understood(&format!("the output `{}` of {}: {error}", short(name), short(datatype)))
    };
    let shape: Vec<u32> = flat(shape, DIMS_MAX).map_err(wrong)?;
    let values = match datatype.as_str() {
        "FP16" | "BF16" | "FP32" => all(data).and_then(singles).map(Values::F32),
        "FP64" => all(data).map(Values::F64),
        "INT8" | "INT16" | "INT32" | "UINT8" | "UINT16" => all(data).map(Values::I32),
        "INT64" | "UINT32" | "UINT64" => all(data).map(Values::I64),
        "BOOL" => all(data).map(Values::Bool),
        "BYTES" => all(data).map(Values::String),
        _ => Err(de::Error::custom("there are no such values")),
    };
    Ok(Tensor { name: name.clone(), shape, values: values.map_err(wrong)? })
}

fn singles(values: Vec<f64>) -> serde_json::Result<Vec<f32>> {
    let single = |value: f64| {
        let single = value as f32;
        if single.is_finite() { Ok(single) } else { Err(de::Error::custom(format!("{value} is no float of 32 bits"))) }
    };
    values.into_iter().map(single).collect()
}

fn all<'a, T: Deserialize<'a>>(data: &'a RawValue) -> serde_json::Result<Vec<T>> {
    flat(data, ELEMENTS_MAX as usize)
}

/// Rows within rows, one behind the other: `max` values at most.
fn flat<'a, T: Deserialize<'a>>(data: &'a RawValue, max: usize) -> serde_json::Result<Vec<T>> {
    let mut into = Vec::new();
    Rows { into: &mut into, max }.deserialize(&mut serde_json::Deserializer::from_str(data.get()))?;
    Ok(into)
}

/// What stands in rows within rows.
struct Rows<'v, T> {
    into: &'v mut Vec<T>,
    max: usize,
}

impl<T> Rows<'_, T> {
    fn push<E: de::Error>(self, value: Result<T, E>) -> Result<(), E> {
        if self.into.len() >= self.max {
            return Err(E::custom(format_args!("more than {}", self.max)));
        }
        self.into.push(value?);
        Ok(())
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Rows<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, data: D) -> Result<(), D::Error> {
        data.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Rows<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("values, or rows of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Rows { into: &mut *self.into, max: self.max })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.push(T::deserialize(MapAccessDeserializer::new(map)))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.push(T::deserialize(value.into_deserializer()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.push(T::deserialize(value.into_deserializer()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.push(T::deserialize(value.into_deserializer()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.push(T::deserialize(value.into_deserializer()))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.push(T::deserialize(value.into_deserializer()))
    }
}
