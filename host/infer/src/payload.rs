//! Tensors as the bodies of requests to those who run a model elsewhere, in forms that many of them take.
//!
//! Invariant: a value is written as it is or refused, and what is read is within the bounds that hold for any model. A whole number is never cut.

use std::{fmt, str::FromStr};

use serde_json::{Value, json};

use crate::{
    failed::{Failed, short},
    fitting::within_bounds,
    tensor::{Tensor, Values},
};

/// What the only output of rows is called.
const PREDICTIONS: &str = "predictions";

/// The form of a request and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The Open Inference Protocol in JSON (the second version of KServe's), which Triton and others speak: tensors by their names.
    V2,
    /// Rows of numbers between commas, as the algorithms take that SageMaker has itself, and many containers besides.
    Csv,
}

impl Payload {
    /// All of them, by their names.
    pub const NAMES: [&str; 2] = ["v2", "csv"];

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::V2 => "application/json",
            Self::Csv => "text/csv",
        }
    }

    /// Writes what is asked.
    ///
    /// # Errors
    /// When it cannot be said in that form.
    pub fn write(self, inputs: &[Tensor]) -> Result<Vec<u8>, Failed> {
        within_bounds(inputs)?;
        match self {
            Self::V2 => v2(inputs),
            Self::Csv => csv(inputs),
        }
    }

    /// Reads the answer to that.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(self, inputs: &[Tensor], body: &[u8]) -> Result<Vec<Tensor>, Failed> {
        let outputs = match self {
            Self::V2 => outputs(body)?,
            Self::Csv => vec![predictions(inputs, body)?],
        };
        within_bounds(&outputs).map_err(|why| not_understood(&why.to_string()))?;
        Ok(outputs)
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2 => "v2",
            Self::Csv => "csv",
        })
    }
}

impl FromStr for Payload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "v2" => Ok(Self::V2),
            "csv" => Ok(Self::Csv),
            other => Err(format!("`{other}` is no form of tensors: there are {}", Self::NAMES.join(", "))),
        }
    }
}

fn not_understood(why: &str) -> Failed {
    Failed::Model(format!("its answer is not understood: {}", short(why)))
}

fn invalid<T>(why: &str) -> Result<T, Failed> {
    Err(Failed::Invalid(why.to_owned()))
}

/// Floats that JSON and rows can say.
fn finite(values: impl Iterator<Item = f64>) -> Result<Vec<f64>, Failed> {
    let finite = |value: f64| if value.is_finite() { Ok(value) } else { invalid("a value is no finite number") };
    values.map(finite).collect()
}

/// 32-bit floats as they are written, not as their bits are.
fn written(values: &[f32]) -> Result<Vec<f64>, Failed> {
    finite(values.iter().map(|value| value.to_string().parse().unwrap_or(f64::NAN)))
}

fn v2(inputs: &[Tensor]) -> Result<Vec<u8>, Failed> {
    let mut said = Vec::new();
    for Tensor { name, shape, values } in inputs {
        if name.is_empty() {
            return invalid("every tensor for this model has a name: which inputs it has is not known here");
        }
        let (datatype, data) = match values {
            Values::F32(values) => ("FP32", json!(written(values)?)),
            Values::F64(values) => ("FP64", json!(finite(values.iter().copied())?)),
            Values::I32(values) => ("INT32", json!(values)),
            Values::I64(values) => ("INT64", json!(values)),
            Values::Bool(values) => ("BOOL", json!(values)),
            Values::String(values) => ("BYTES", json!(values)),
        };
        said.push(json!({"name": name, "shape": shape, "datatype": datatype, "data": data}));
    }
    Ok(json!({ "inputs": said }).to_string().into_bytes())
}

fn outputs(body: &[u8]) -> Result<Vec<Tensor>, Failed> {
    let body: Value = serde_json::from_slice(body).map_err(|error| not_understood(&error.to_string()))?;
    let outputs = body.get("outputs").and_then(Value::as_array).ok_or_else(|| not_understood("it has no `outputs`"))?;
    outputs.iter().map(output).collect()
}

fn output(said: &Value) -> Result<Tensor, Failed> {
    let text = |name: &str| said.get(name).and_then(Value::as_str);
    let name = text("name").unwrap_or_default().to_owned();
    let wrong = |what: &str| not_understood(&format!("the output `{name}` {what}"));
    let length = |length: &Value| length.as_u64().and_then(|length| u32::try_from(length).ok());
    let shape = said.get("shape").and_then(Value::as_array).and_then(|lengths| lengths.iter().map(length).collect());
    let shape: Vec<u32> = shape.ok_or_else(|| wrong("has no shape"))?;
    let mut flat = Vec::new();
    flatten(said.get("data").ok_or_else(|| wrong("has no data"))?, &mut flat);
    let datatype = text("datatype").unwrap_or_default();
    let values = match datatype {
        "FP16" | "BF16" | "FP32" => all(&flat, |value| value.as_f64().map(|value| value as f32)).map(Values::F32),
        "FP64" => all(&flat, Value::as_f64).map(Values::F64),
        "INT8" | "INT16" | "INT32" | "UINT8" | "UINT16" => {
            all(&flat, |value| value.as_i64().and_then(|value| i32::try_from(value).ok())).map(Values::I32)
        }
        "INT64" | "UINT32" | "UINT64" => all(&flat, Value::as_i64).map(Values::I64),
        "BOOL" => all(&flat, Value::as_bool).map(Values::Bool),
        "BYTES" => all(&flat, |value| value.as_str().map(str::to_owned)).map(Values::String),
        _ => None,
    };
    let values = values.ok_or_else(|| wrong(&format!("has no values of {}", short(datatype))))?;
    Ok(Tensor { name, shape, values })
}

/// Rows within rows, one behind the other.
fn flatten<'a>(data: &'a Value, flat: &mut Vec<&'a Value>) {
    match data {
        Value::Array(items) => items.iter().for_each(|item| flatten(item, flat)),
        value => flat.push(value),
    }
}

fn all<T>(flat: &[&Value], read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    flat.iter().map(|value| read(value)).collect()
}

/// How many rows a tensor has, and how long they are.
fn rows(shape: &[u32]) -> Option<(usize, usize)> {
    match *shape {
        [columns] if columns > 0 => Some((1, columns as usize)),
        [rows, columns] if rows > 0 && columns > 0 => Some((rows as usize, columns as usize)),
        _ => None,
    }
}

fn csv(inputs: &[Tensor]) -> Result<Vec<u8>, Failed> {
    let [Tensor { shape, values, .. }] = inputs else { return invalid("this model takes one tensor") };
    let Some((_, columns)) = rows(shape) else { return invalid("this model takes a row, or rows, with columns") };
    let texts: Vec<String> = match values {
        Values::F32(values) => written(values)?.iter().map(ToString::to_string).collect(),
        Values::F64(values) => finite(values.iter().copied())?.iter().map(ToString::to_string).collect(),
        Values::I32(values) => values.iter().map(ToString::to_string).collect(),
        Values::I64(values) => values.iter().map(ToString::to_string).collect(),
        Values::Bool(values) => values.iter().map(|value| u8::from(*value).to_string()).collect(),
        Values::String(_) => return invalid("this model takes numbers"),
    };
    let lines: Vec<_> = texts.chunks(columns).map(|row| row.join(",")).collect();
    Ok(lines.join("\n").into_bytes())
}

/// As many numbers for each row; some servers have a line for each of them, others one for all.
fn predictions(inputs: &[Tensor], body: &[u8]) -> Result<Tensor, Failed> {
    let text = std::str::from_utf8(body).map_err(|_| not_understood("it is no text"))?;
    let words = text.split([',', '\n', '\r']).map(str::trim).filter(|word| !word.is_empty());
    let values: Vec<f64> = words
        .map(|word| word.parse().map_err(|_| not_understood(&format!("`{word}` is no number"))))
        .collect::<Result<_, _>>()?;
    let rows = inputs.first().and_then(|tensor| rows(&tensor.shape)).map_or(1, |(rows, _)| rows);
    if values.is_empty() || !values.len().is_multiple_of(rows) {
        return Err(not_understood(&format!("it has {} numbers for {rows} rows", values.len())));
    }
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let shape = vec![length(rows), length(values.len() / rows)];
    Ok(Tensor { name: PREDICTIONS.to_owned(), shape, values: Values::F64(values) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[u32], values: Values) -> Tensor {
        Tensor { name: name.to_owned(), shape: shape.to_vec(), values }
    }

    fn why<T: fmt::Debug>(of: Result<T, Failed>) -> String {
        of.unwrap_err().to_string()
    }

    #[test]
    fn tensors_are_written_and_read_by_their_names_with_every_kind_of_element() {
        let kinds = [
            ("FP32", json!([0.1, -2.0]), Values::F32(vec![0.1, -2.0])),
            ("FP64", json!([1e300, 0.1]), Values::F64(vec![1e300, 0.1])),
            ("INT32", json!([i32::MIN, 7]), Values::I32(vec![i32::MIN, 7])),
            ("INT64", json!([i64::MAX, 7]), Values::I64(vec![i64::MAX, 7])),
            ("BOOL", json!([true, false]), Values::Bool(vec![true, false])),
            ("BYTES", json!(["a", "ö"]), Values::String(vec!["a".into(), "ö".into()])),
        ];
        for (datatype, data, values) in kinds {
            let one = tensor("x", &[2], values);
            let said = json!({"name": "x", "shape": [2], "datatype": datatype, "data": data});
            let body: Value = serde_json::from_slice(&Payload::V2.write(std::slice::from_ref(&one)).unwrap()).unwrap();
            assert_eq!(body, json!({ "inputs": [said] }));
            let answer = json!({"model_name": "m", "outputs": [said]}).to_string();
            assert_eq!(Payload::V2.read(&[], answer.as_bytes()).unwrap(), [one]);
        }
        let fewer = json!({"outputs": [{"name": "y", "shape": [1, 2], "datatype": "UINT8", "data": [[0, 255]]}]});
        let read = Payload::V2.read(&[], fewer.to_string().as_bytes()).unwrap();
        assert_eq!(read, [tensor("y", &[1, 2], Values::I32(vec![0, 255]))]);
    }

    #[test]
    fn rows_are_written_and_their_predictions_read_whoever_separates_them() {
        let two = [tensor("", &[2, 3], Values::F32(vec![0.1, 2.0, -3.5, 1.0, 0.0, 1e-7]))];
        let text = String::from_utf8(Payload::Csv.write(&two).unwrap()).unwrap();
        assert_eq!(text, "0.1,2,-3.5\n1,0,0.0000001");
        assert_eq!(Payload::Csv.write(&[tensor("x", &[2], Values::Bool(vec![true, false]))]).unwrap(), b"1,0");
        for (said, shape, values) in [
            ("0.25,0.75", [2, 1], vec![0.25, 0.75]),
            ("0.25\r\n0.75\r\n", [2, 1], vec![0.25, 0.75]),
            ("1, 2\n3, 4\n", [2, 2], vec![1.0, 2.0, 3.0, 4.0]),
        ] {
            let read = Payload::Csv.read(&two, said.as_bytes()).unwrap();
            assert_eq!(read, [tensor("predictions", &shape, Values::F64(values))], "{said}");
        }
    }

    #[test]
    fn what_cannot_be_said_or_understood_is_refused() {
        let nan = || tensor("x", &[1], Values::F32(vec![f32::NAN]));
        for payload in [Payload::V2, Payload::Csv] {
            assert!(why(payload.write(&[nan()])).contains("no finite number"));
            assert!(why(payload.write(&[tensor("x", &[2], Values::I32(vec![1]))])).contains("its shape [2] has 2"));
        }
        assert!(why(Payload::V2.write(&[tensor("", &[1], Values::I32(vec![1]))])).contains("has a name"));
        let one = tensor("x", &[1], Values::I32(vec![1]));
        assert!(why(Payload::Csv.write(&[one.clone(), one.clone()])).contains("one tensor"));
        assert!(why(Payload::Csv.write(&[tensor("x", &[1], Values::String(vec!["a".into()]))])).contains("numbers"));
        assert!(why(Payload::Csv.write(&[tensor("x", &[1, 1, 1], Values::I32(vec![1]))])).contains("rows"));
        let read = |output: Value| why(Payload::V2.read(&[], json!({ "outputs": [output] }).to_string().as_bytes()));
        let no = |datatype: &str, data: Value| json!({"name": "y", "shape": [1], "datatype": datatype, "data": data});
        for output in [
            no("INT32", json!([3_000_000_000_u32])),
            no("INT64", json!([u64::MAX])),
            no("FP32", json!(["a"])),
            no("FP32", json!([1, 2])),
            no("COMPLEX", json!([1])),
            json!({"name": "y", "shape": [-1], "datatype": "FP32", "data": [1]}),
            json!({"name": "y", "datatype": "FP32", "data": [1]}),
        ] {
            assert!(read(output.clone()).contains("not understood"), "{output}");
        }
        for body in ["", "[]", "{\"outputs\": 7}"] {
            assert!(why(Payload::V2.read(&[], body.as_bytes())).contains("not understood"), "{body}");
        }
        let two = [tensor("", &[2, 1], Values::I32(vec![1, 2]))];
        for body in ["", "1,2,3", "0.5,high"] {
            assert!(why(Payload::Csv.read(&two, body.as_bytes())).contains("not understood"), "{body}");
        }
    }

    #[test]
    fn a_form_is_told_by_the_name_that_it_is_read_by() {
        for name in Payload::NAMES {
            assert_eq!(name.parse::<Payload>().unwrap().to_string(), name);
        }
        assert!("v1".parse::<Payload>().is_err());
    }
}
