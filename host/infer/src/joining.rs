//! Several questions as one: their tensors one behind the other along the first direction, and what the model gave cut apart again.
//!
//! Invariant: what each question has of an answer are its own rows, in its own order; an answer that has not as many rows as were asked about is
//! cut for nobody. That a model's rows have nothing to do with each other is said by whoever has questions joined; nothing here can find it out.

use std::{collections::BTreeSet, ops::Range};

use crate::{Description, Dim, Element, Port, Tensor, Values};

/// What questions have in common that can be joined: of each tensor its name, its elements, and all of its lengths but the first.
pub(crate) type Form = Vec<(String, Element, Vec<u32>)>;

/// The form of a question and its rows; none of what has no rows, or not the same number in each tensor.
pub(crate) fn form(tensors: &[Tensor]) -> Option<(Form, u32)> {
    let rows = *tensors.first()?.shape.first()?;
    let of = |tensor: &Tensor| {
        let (first, others) = tensor.shape.split_first()?;
        (*first == rows).then(|| (tensor.name.clone(), tensor.values.element(), others.to_vec()))
    };
    let form = tensors.iter().map(of).collect::<Option<Form>>()?;
    (rows > 0).then_some((form, rows))
}

/// Why no questions to a model can be joined, where its first dimensions are not those of rows.
#[must_use]
pub fn apart(model: &Description) -> Option<String> {
    let ports = || model.inputs.iter().chain(&model.outputs);
    let mut names = BTreeSet::new();
    for port in ports() {
        match port.shape.as_ref().and_then(|dims| dims.first()) {
            Some(Dim::Fixed(_)) => return Some(format!("the first dimension of {port} is fixed")),
            Some(Dim::Named(name)) => _ = names.insert(name),
            Some(Dim::Any) => {}
            None => return Some(format!("{port} has no first dimension")),
        }
    }
    let again = |port: &&Port| {
        let mut others = port.shape.iter().flatten().skip(1);
        others.any(|dim| matches!(dim, Dim::Named(name) if names.contains(name)))
    };
    let port = ports().find(again)?;
    Some(format!("{port} is as long in another direction as in a first one"))
}

/// Questions of one form as one of so many rows: the last row is there once more for each that they have not.
pub(crate) fn join(questions: &[&[Tensor]], rows: u32) -> Vec<Tensor> {
    let Some(first) = questions.first() else { return Vec::new() };
    let joined = |(at, of): (usize, &Tensor)| {
        let parts: Vec<&Values> = questions.iter().filter_map(|tensors| Some(&tensors.get(at)?.values)).collect();
        let mut shape = of.shape.clone();
        let width = shape.iter().skip(1).fold(1, |all: usize, length| all.saturating_mul(*length as usize));
        shape.iter_mut().take(1).for_each(|length| *length = rows);
        Tensor { name: of.name.clone(), shape, values: behind_each_other(&parts, width, rows as usize) }
    };
    first.iter().enumerate().map(joined).collect()
}

/// The answers to questions of so many rows each, out of one of `all` rows; none where that has another number of them.
pub(crate) fn cut(answer: &[Tensor], rows: &[u32], all: u32) -> Option<Vec<Vec<Tensor>>> {
    let mut from = 0;
    let of = |rows: &u32| {
        let range = from..from + *rows as usize;
        from = range.end;
        answer.iter().map(|tensor| rows_of(tensor, &range, all)).collect::<Option<Vec<Tensor>>>()
    };
    rows.iter().map(of).collect()
}

fn rows_of(tensor: &Tensor, rows: &Range<usize>, all: u32) -> Option<Tensor> {
    let mut shape = tensor.shape.clone();
    let first = shape.first_mut().filter(|first| **first == all)?;
    *first = u32::try_from(rows.len()).ok()?;
    let width = tensor.values.len().checked_div(all as usize)?;
    let values = part(&tensor.values, rows.start * width..rows.end * width)?;
    Some(Tensor { name: tensor.name.clone(), shape, values })
}

fn behind_each_other(parts: &[&Values], width: usize, rows: usize) -> Values {
    fn all<'a, T: Clone + 'a>(parts: impl Iterator<Item = &'a Vec<T>>, width: usize, rows: usize) -> Vec<T> {
        let mut all = Vec::with_capacity(rows.saturating_mul(width));
        parts.for_each(|part| all.extend_from_slice(part));
        let last = all.len().saturating_sub(width)..all.len();
        for _ in all.len().checked_div(width).unwrap_or(rows)..rows {
            all.extend_from_within(last.clone());
        }
        all
    }
    macro_rules! of {
        ($kind:ident) => {{
            let of = parts.iter().filter_map(|part| match *part {
                Values::$kind(values) => Some(values),
                _ => None,
            });
            Values::$kind(all(of, width, rows))
        }};
    }
    match parts.first().map_or(Element::F32, |first| first.element()) {
        Element::F32 => of!(F32),
        Element::F64 => of!(F64),
        Element::I32 => of!(I32),
        Element::I64 => of!(I64),
        Element::Bool => of!(Bool),
        Element::String => of!(String),
    }
}

fn part(values: &Values, range: Range<usize>) -> Option<Values> {
    Some(match values {
        Values::F32(values) => Values::F32(values.get(range)?.to_vec()),
        Values::F64(values) => Values::F64(values.get(range)?.to_vec()),
        Values::I32(values) => Values::I32(values.get(range)?.to_vec()),
        Values::I64(values) => Values::I64(values.get(range)?.to_vec()),
        Values::Bool(values) => Values::Bool(values.get(range)?.to_vec()),
        Values::String(values) => Values::String(values.get(range)?.to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tensor(name: &str, shape: &[u32], values: Values) -> Tensor {
        Tensor { name: name.to_owned(), shape: shape.to_vec(), values }
    }

    fn floats(shape: &[u32], values: &[f32]) -> Tensor {
        tensor("x", shape, Values::F32(values.to_vec()))
    }

    #[test]
    fn questions_have_one_form_that_differ_in_their_rows_only() {
        let form_of = |tensors: &[Tensor]| form(tensors).map(|(_, rows)| rows);
        let one = [floats(&[1, 2], &[1.0, 2.0])];
        assert_eq!(form(&one).unwrap().0, form(&[floats(&[2, 2], &[1.0; 4])]).unwrap().0);
        for other in [
            floats(&[1, 3], &[1.0; 3]),
            floats(&[1, 1, 2], &[1.0; 2]),
            tensor("y", &[1, 2], Values::F32(vec![1.0; 2])),
            tensor("x", &[1, 2], Values::F64(vec![1.0; 2])),
        ] {
            assert_ne!(form(&one).unwrap().0, form(&[other]).unwrap().0);
        }
        assert_eq!(form_of(&[floats(&[3, 1], &[1.0; 3]), floats(&[3], &[1.0; 3])]), Some(3));
        assert_eq!(form_of(&[floats(&[3], &[1.0; 3]), floats(&[2], &[1.0; 2])]), None, "two numbers of rows");
        assert_eq!(form_of(&[floats(&[], &[1.0])]), None, "no first direction");
        assert_eq!(form_of(&[floats(&[0, 2], &[])]), None, "no row");
        assert_eq!(form_of(&[]), None);
    }

    #[test]
    fn a_model_says_whether_its_first_dimensions_are_those_of_rows() {
        let port = |name: &str, dims: Option<&[Dim]>| Port {
            name: name.to_owned(),
            element: Element::F32,
            shape: dims.map(<[_]>::to_vec),
        };
        let n = || Dim::Named("N".to_owned());
        let why = |input: Port, output: Port| {
            let (inputs, outputs) = (vec![input], vec![output]);
            apart(&Description { inputs, outputs, nodes: 1, opset: 17, producer: String::new() })
        };
        let rows = || port("y", Some(&[Dim::Any, Dim::Fixed(2)]));
        assert_eq!(why(port("x", Some(&[n(), Dim::Fixed(3)])), rows()), None);
        let fixed = why(port("x", Some(&[Dim::Fixed(1), n()])), rows());
        assert_eq!(fixed.unwrap(), "the first dimension of x: f32[1, N] is fixed");
        let output = why(port("x", Some(&[n()])), port("y", Some(&[])));
        assert_eq!(output.unwrap(), "y: f32[] has no first dimension");
        assert!(why(port("x", None), rows()).is_some(), "nobody knows");
        let square = why(port("x", Some(&[n()])), port("y", Some(&[Dim::Any, n()])));
        assert_eq!(square.unwrap(), "y: f32[?, N] is as long in another direction as in a first one");
    }

    #[test]
    fn an_answer_of_another_number_of_rows_is_cut_for_nobody() {
        let answer = [floats(&[3, 1], &[1.0, 2.0, 3.0])];
        let parts = cut(&answer, &[1, 2], 3).unwrap();
        assert_eq!(parts, [vec![floats(&[1, 1], &[1.0])], vec![floats(&[2, 1], &[2.0, 3.0])]]);
        assert_eq!(cut(&answer, &[1, 1], 2), None);
        assert_eq!(cut(&[floats(&[], &[1.0])], &[1], 1), None);
        assert_eq!(cut(&[answer[0].clone(), floats(&[1], &[1.0])], &[1, 2], 3), None, "one output of all");
    }

    /// So many values of a kind, the first of which is `from`.
    fn values(kind: usize, from: usize, many: usize) -> Values {
        let all = from..from + many;
        match kind {
            0 => Values::F32(all.map(|n| n as f32).collect()),
            1 => Values::F64(all.map(|n| n as f64).collect()),
            2 => Values::I32(all.map(|n| n as i32).collect()),
            3 => Values::I64(all.map(|n| n as i64).collect()),
            4 => Values::Bool(all.map(|n| n % 3 == 0).collect()),
            _ => Values::String(all.map(|n| n.to_string()).collect()),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_is_joined_and_cut_again_is_what_it_was(
            rows in prop::collection::vec(1u32..6, 1..9), more in 0u32..9, kinds in prop::collection::vec(0usize..6, 1..4),
            width in 0u32..4,
        ) {
            let mut at = 0;
            let mut question = |rows: &u32| -> Vec<Tensor> {
                let of = |(n, kind): (usize, &usize)| {
                    let many = (*rows * width) as usize;
                    at += many;
                    tensor(&n.to_string(), &[*rows, width], values(*kind, at, many))
                };
                kinds.iter().enumerate().map(of).collect()
            };
            let questions: Vec<Vec<Tensor>> = rows.iter().map(&mut question).collect();
            let all = rows.iter().sum::<u32>() + more;
            let joined = join(&questions.iter().map(Vec::as_slice).collect::<Vec<_>>(), all);
            for tensor in &joined {
                prop_assert_eq!((tensor.shape[0], tensor.elements()), (all, tensor.values.len() as u64));
            }
            prop_assert_eq!(cut(&joined, &rows, all), Some(questions));
        }
    }
}
