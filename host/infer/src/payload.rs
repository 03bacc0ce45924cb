//! Tensors as the bodies of requests to those who run a model elsewhere, in forms that many of them take.
//!
//! Invariant: a value is written as it is or refused, and what is read is within the bounds that hold for any model. A whole number is never cut. What
//! is read is the word of a stranger: nothing is made of it that takes more memory than its tensors may.

use std::{
    fmt,
    io::{self, Write as _},
    str::FromStr,
};

use serde::Serialize;

use crate::{
    failed::{Failed, short},
    fitting::within_bounds,
    limits::{BODY_BYTES_MAX, ELEMENTS_MAX},
    tensor::{Tensor, Values},
};

mod v2;

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
            Self::V2 => v2::write(inputs),
            Self::Csv => csv(inputs),
        }
    }

    /// Reads the answer to that.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(self, inputs: &[Tensor], body: &[u8]) -> Result<Vec<Tensor>, Failed> {
        let outputs = match self {
            Self::V2 => v2::read(body)?,
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

/// A body that is being written: of a bounded length.
#[derive(Default)]
struct Body(Vec<u8>);

impl io::Write for Body {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > BODY_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn too_large(_: impl fmt::Debug) -> Failed {
    Failed::TooLarge(format!("as text the tensors have more than {BODY_BYTES_MAX} bytes"))
}

/// Whether the values are numbers that JSON and rows can say.
fn can_be_said(values: &Values) -> Result<(), Failed> {
    let finite = match values {
        Values::F32(values) => values.iter().all(|value| value.is_finite()),
        Values::F64(values) => values.iter().all(|value| value.is_finite()),
        Values::I32(_) | Values::I64(_) | Values::Bool(_) | Values::String(_) => true,
    };
    if finite { Ok(()) } else { invalid("a value is no finite number") }
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
    can_be_said(values)?;
    match values {
        Values::F32(values) => lines(values.iter(), columns),
        Values::F64(values) => lines(values.iter(), columns),
        Values::I32(values) => lines(values.iter(), columns),
        Values::I64(values) => lines(values.iter(), columns),
        Values::Bool(values) => lines(values.iter().map(|value| u8::from(*value)), columns),
        Values::String(_) => invalid("this model takes numbers"),
    }
}

fn lines(values: impl Iterator<Item = impl Serialize>, columns: usize) -> Result<Vec<u8>, Failed> {
    let mut body = Body::default();
    for (n, value) in values.enumerate() {
        let between: &[u8] = match n {
            0 => b"",
            n if n.is_multiple_of(columns) => b"\n",
            _ => b",",
        };
        body.write_all(between).map_err(too_large)?;
        serde_json::to_writer(&mut body, &value).map_err(too_large)?;
    }
    Ok(body.0)
}

/// As many numbers for each row; some servers have a line for each of them, others one for all.
fn predictions(inputs: &[Tensor], body: &[u8]) -> Result<Tensor, Failed> {
    let text = std::str::from_utf8(body).map_err(|_| not_understood("it is no text"))?;
    let mut values: Vec<f64> = Vec::new();
    for word in text.trim_end().lines().flat_map(|line| line.split(',')).map(str::trim) {
        let value = word.parse().ok().filter(|value: &f64| value.is_finite());
        values.push(value.ok_or_else(|| not_understood(&format!("`{}` is no number", short(word))))?);
        if values.len() as u64 > ELEMENTS_MAX {
            return Err(not_understood(&format!("it has more than {ELEMENTS_MAX} numbers")));
        }
    }
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
    use serde_json::{Value, json};

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
        assert_eq!(text, "0.1,2.0,-3.5\n1.0,0.0,1e-7");
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
            no("FP32", json!([1e300])),
            no("INT32", json!([1.5])),
            no("BOOL", json!([1])),
            no("BYTES", json!([1])),
            no("FP64", json!([[0.5], {"a": 1}])),
            no("FP64", json!([null])),
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
        for body in ["", "1,2,3", "0.5,high", "1,\n,2", "1\n\n2", "1e999,1", "inf,1", "1,2\n3,4,"] {
            assert!(why(Payload::Csv.read(&two, body.as_bytes())).contains("not understood"), "{body}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_takes_memory() {
        // As text each of them has over 20 bytes, of which there are eight.
        let many = tensor("x", &[2_000_000], Values::F64(vec![-1.234_567_890_123_456_7e-300; 2_000_000]));
        for payload in [Payload::V2, Payload::Csv] {
            assert!(why(payload.write(std::slice::from_ref(&many))).contains("bytes"), "{payload}");
        }
        let one = [tensor("", &[1, 1], Values::I32(vec![1]))];
        let numbers = vec!["0"; ELEMENTS_MAX as usize + 1].join(",");
        assert!(why(Payload::Csv.read(&one, numbers.as_bytes())).contains("more than"));
        for datatype in ["FP64", "BYTES"] {
            let data = format!("[[{numbers}]]");
            let said =
                format!(r#"{{"outputs": [{{"name": "y", "shape": [1], "datatype": "{datatype}", "data": {data}}}]}}"#);
            let said = why(Payload::V2.read(&[], said.as_bytes()));
            assert!(said.contains("not understood"), "{said}");
        }
        let shape = vec!["1"; 100].join(",");
        let said =
            format!(r#"{{"outputs": [{{"name": "y", "shape": [{shape}], "datatype": "FP64", "data": [1.0]}}]}}"#);
        assert!(why(Payload::V2.read(&[], said.as_bytes())).contains("more than 8"));
        let outputs = vec![r#"{"name": "y", "shape": [1], "datatype": "FP64", "data": [1.0]}"#; 100].join(",");
        let said = format!(r#"{{"outputs": [{outputs}]}}"#);
        assert!(why(Payload::V2.read(&[], said.as_bytes())).contains("more than 64"));
    }

    #[test]
    fn a_form_is_told_by_the_name_that_it_is_read_by() {
        for name in Payload::NAMES {
            assert_eq!(name.parse::<Payload>().unwrap().to_string(), name);
        }
        assert!("v1".parse::<Payload>().is_err());
    }
}
