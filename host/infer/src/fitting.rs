//! Whether what is asked fits what a model takes: names, elements, shapes, counts.
//!
//! Invariant: what passes here has each input once, in the model's order, with as many values as its shape says; nothing about sizes is left for the
//! engine to find out by failing.

use std::collections::BTreeMap;

use crate::{
    description::{Description, Dim, Port},
    failed::Failed,
    limits::{DIMS_MAX, ELEMENTS_MAX, NAME_BYTES_MAX, PORTS_MAX, TENSORS_BYTES_MAX},
    tensor::Tensor,
};

/// Whether tensors are within bounds that hold for any model.
///
/// # Errors
/// When they are not.
pub fn within_bounds(tensors: &[Tensor]) -> Result<(), Failed> {
    if tensors.len() > PORTS_MAX {
        return Err(Failed::Invalid(format!("at most {PORTS_MAX} tensors go into a model")));
    }
    for tensor in tensors {
        let name = shown(tensor);
        if tensor.name.len() > NAME_BYTES_MAX {
            return Err(Failed::Invalid(format!("a name of a tensor has at most {NAME_BYTES_MAX} bytes")));
        }
        if tensor.shape.len() > DIMS_MAX {
            return Err(Failed::Invalid(format!("{name} has more than {DIMS_MAX} dimensions")));
        }
        let (elements, values) = (tensor.elements(), tensor.values.len());
        if elements != values as u64 {
            return Err(Failed::Invalid(format!(
                "{name} has {values} values, and its shape {} has {elements}",
                shape(&tensor.shape)
            )));
        }
    }
    let elements = tensors.iter().fold(0, |all: u64, tensor| all.saturating_add(tensor.elements()));
    if elements > ELEMENTS_MAX {
        return Err(Failed::TooLarge(format!("the tensors have {elements} elements; {ELEMENTS_MAX} may be")));
    }
    let bytes = tensors.iter().fold(0, |all: usize, tensor| all.saturating_add(tensor.bytes()));
    if bytes > TENSORS_BYTES_MAX {
        return Err(Failed::TooLarge(format!("the tensors have {bytes} bytes; {TENSORS_BYTES_MAX} may be")));
    }
    Ok(())
}

/// The tensors in the order of a model's inputs.
///
/// # Errors
/// When they do not fit.
pub fn in_order(model: &Description, tensors: Vec<Tensor>) -> Result<Vec<Tensor>, Failed> {
    within_bounds(&tensors)?;
    let mut given: BTreeMap<String, Tensor> = BTreeMap::new();
    let only = match model.inputs.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    for mut tensor in tensors {
        if let (true, Some(only)) = (tensor.name.is_empty(), only) {
            tensor.name.clone_from(&only.name);
        }
        if !model.inputs.iter().any(|input| input.name == tensor.name) {
            let why = format!("there is no input `{}`; it takes {}", tensor.name, told(&model.inputs));
            return Err(Failed::Invalid(why));
        }
        if let Some(twice) = given.insert(tensor.name.clone(), tensor) {
            return Err(Failed::Invalid(format!("the input `{}` is given twice", twice.name)));
        }
    }
    let (mut ordered, mut lengths) = (Vec::new(), BTreeMap::new());
    for input in &model.inputs {
        let Some(tensor) = given.remove(&input.name) else {
            return Err(Failed::Invalid(format!("the input {input} is missing")));
        };
        fits(input, &tensor, &mut lengths)?;
        ordered.push(tensor);
    }
    Ok(ordered)
}

fn fits<'a>(input: &'a Port, tensor: &Tensor, lengths: &mut BTreeMap<&'a str, u32>) -> Result<(), Failed> {
    let given = tensor.values.element();
    if given != input.element {
        return Err(Failed::Invalid(format!("the input {input} was given {given}")));
    }
    let Some(dims) = &input.shape else { return Ok(()) };
    let wrong = || Failed::Invalid(format!("the input {input} was given the shape {}", shape(&tensor.shape)));
    if dims.len() != tensor.shape.len() {
        return Err(wrong());
    }
    for (dim, length) in dims.iter().zip(&tensor.shape) {
        let held = match dim {
            Dim::Any => true,
            Dim::Fixed(fixed) => fixed == length,
            Dim::Named(name) => lengths.entry(name).or_insert(*length) == length,
        };
        if !held {
            return Err(wrong());
        }
    }
    Ok(())
}

fn shown(tensor: &Tensor) -> String {
    if tensor.name.is_empty() {
        "the tensor".to_owned()
    } else {
        format!("`{}`", tensor.name.chars().take(64).collect::<String>())
    }
}

fn told(ports: &[Port]) -> String {
    ports.iter().map(Port::to_string).collect::<Vec<_>>().join(", ")
}

fn shape(lengths: &[u32]) -> String {
    format!("[{}]", lengths.iter().map(u32::to_string).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{description::Element, tensor::Values};

    fn port(name: &str, element: Element, shape: &[Dim]) -> Port {
        Port { name: name.to_owned(), element, shape: Some(shape.to_vec()) }
    }

    fn tensor(name: &str, shape: &[u32], values: Values) -> Tensor {
        Tensor { name: name.to_owned(), shape: shape.to_vec(), values }
    }

    fn model() -> Description {
        let named = || Dim::Named("N".to_owned());
        let inputs =
            vec![port("x", Element::F32, &[named(), Dim::Fixed(2)]), port("id", Element::I64, &[named(), Dim::Any])];
        Description { inputs, outputs: Vec::new(), nodes: 1, opset: 18, producer: String::new() }
    }

    fn why(tensors: Vec<Tensor>) -> String {
        in_order(&model(), tensors).unwrap_err().to_string()
    }

    #[test]
    fn what_fits_comes_in_the_models_order() {
        let x = tensor("x", &[2, 2], Values::F32(vec![1.0; 4]));
        let id = tensor("id", &[2, 1], Values::I64(vec![1, 2]));
        assert_eq!(in_order(&model(), vec![id.clone(), x.clone()]).unwrap(), [x.clone(), id]);
        let mut one = model();
        one.inputs.pop();
        assert_eq!(in_order(&one, vec![tensor("", &[2, 2], Values::F32(vec![1.0; 4]))]).unwrap(), [x]);
    }

    #[test]
    fn what_does_not_fit_is_told_with_what_would() {
        let x = || tensor("x", &[1, 2], Values::F32(vec![1.0; 2]));
        let id = |shape: &[u32], values: Vec<i64>| tensor("id", shape, Values::I64(values));
        assert_eq!(why(vec![x()]), "the input id: i64[N, ?] is missing");
        assert_eq!(why(vec![x(), x()]), "the input `x` is given twice");
        assert_eq!(why(vec![x(), id(&[2, 1], vec![1, 2])]), "the input id: i64[N, ?] was given the shape [2, 1]");
        assert_eq!(why(vec![x(), id(&[1], vec![1])]), "the input id: i64[N, ?] was given the shape [1]");
        assert_eq!(why(vec![x(), id(&[1, 1], vec![])]), "`id` has 0 values, and its shape [1, 1] has 1");
        let doubles = tensor("x", &[1, 2], Values::F64(vec![1.0; 2]));
        assert_eq!(why(vec![doubles, id(&[1, 1], vec![1])]), "the input x: f32[N, 2] was given f64");
        let other = why(vec![tensor("y", &[], Values::Bool(vec![true]))]);
        assert_eq!(other, "there is no input `y`; it takes x: f32[N, 2], id: i64[N, ?]");
        assert!(why(vec![tensor("", &[1, 2], Values::F32(vec![1.0; 2]))]).starts_with("there is no input ``"));
    }

    #[test]
    fn bounds_hold_for_any_model() {
        let huge = tensor("x", &[u32::MAX, u32::MAX, u32::MAX], Values::F32(vec![1.0]));
        assert!(why(vec![huge]).contains("has 18446744073709551615"));
        let deep = tensor("x", &[1; DIMS_MAX + 1], Values::F32(vec![1.0]));
        assert!(why(vec![deep]).contains("dimensions"));
        let many = ELEMENTS_MAX as usize + 1;
        let long = tensor("x", &[many as u32], Values::Bool(vec![true; many]));
        assert!(matches!(within_bounds(&[long]), Err(Failed::TooLarge(_))));
        let texts = tensor("x", &[1], Values::String(vec!["x".repeat(TENSORS_BYTES_MAX)]));
        assert!(matches!(within_bounds(&[texts]), Err(Failed::TooLarge(_))));
        assert!(within_bounds(&vec![tensor("", &[], Values::Bool(vec![true])); PORTS_MAX + 1]).is_err());
    }
}
