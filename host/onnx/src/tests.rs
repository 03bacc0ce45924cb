//! Goal: a model is read as it is meant or refused with a reason; what it is asked comes back right; and no bytes that somebody makes up, as a
//! model or as tensors, end more than their own attempt.

use wharf_infer::{Asked as _, Element, Failed, Tensor, Unfit, Values, limits::MODEL_BYTES_MAX};

use wharf_models::onnx::{self as tiny, kept, model, no_tensor, node, port};

use crate::Model;

fn tensor(shape: &[u32], values: Values) -> Tensor {
    Tensor { name: String::new(), shape: shape.to_vec(), values }
}

fn unfit(bytes: &[u8]) -> Unfit {
    Model::read(bytes).err().unwrap()
}

fn told(unfit: &Unfit) -> String {
    unfit.to_string()
}

#[test]
fn a_model_says_what_it_takes_and_is_asked_with_as_many_rows_as_one_likes() {
    let mut model = Model::read(&tiny::sum()).unwrap();
    let description = model.description().clone();
    assert_eq!(description, Model::look(&tiny::sum()).unwrap());
    assert_eq!((description.inputs[0].to_string(), description.nodes), ("x: f32[N, 2]".to_owned(), 1));
    assert_eq!((description.outputs[0].to_string(), description.opset), ("y: f32[N, 1]".to_owned(), 17));
    for rows in [1, 3, 1, 9, 2, 4, 5, 6, 7, 8, 10, 3] {
        let values = (0..rows * 2).map(|n| n as f32).collect();
        let told = model.run(vec![tensor(&[rows, 2], Values::F32(values))]).unwrap();
        let wanted = (0..rows).map(|row| (row * 2) as f32 + (row * 2 + 1) as f32 * 2.0).collect();
        assert_eq!(told, [Tensor { name: "y".to_owned(), shape: vec![rows, 1], values: Values::F32(wanted) }]);
    }
}

#[test]
fn every_element_goes_in_and_comes_out_as_it_is() {
    let texts = Values::String(vec!["a".to_owned(), String::new(), "ö".to_owned()]);
    for (kind, values) in [
        (tiny::FLOAT, Values::F32(vec![1.5, -0.0, f32::MAX])),
        (tiny::DOUBLE, Values::F64(vec![1e300, 0.1, f64::MIN_POSITIVE])),
        (tiny::INT32, Values::I32(vec![i32::MIN, 0, i32::MAX])),
        (tiny::INT64, Values::I64(vec![i64::MIN, 0, i64::MAX])),
        (tiny::BOOL, Values::Bool(vec![true, false, true])),
        (tiny::STRING, texts),
        (tiny::UINT8, Values::I32(vec![0, 255, 7])),
        (tiny::FLOAT16, Values::F32(vec![0.5, 1.0, -2.0])),
    ] {
        let mut model = Model::read(&tiny::same(kind)).unwrap();
        assert_eq!(model.description().inputs[0].element, values.element());
        let told = model.run(vec![tensor(&[3], values.clone())]).unwrap();
        assert_eq!(told[0].values, values);
    }
    let mut bytes = Model::read(&tiny::same(tiny::UINT8)).unwrap();
    let failed = bytes.run(vec![tensor(&[1], Values::I32(vec![256]))]).unwrap_err();
    assert!(matches!(&failed, Failed::Invalid(why) if why.contains("does not fit")), "{failed}");
    let failed = bytes.run(vec![tensor(&[1], Values::F32(vec![1.0]))]).unwrap_err();
    assert_eq!(failed.to_string(), "the input x: i32[N] was given f32");
}

#[test]
fn inputs_and_outputs_are_known_by_their_names() {
    let mut model = Model::read(&tiny::difference()).unwrap();
    let names: Vec<_> = model.description().inputs.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["b: f32[N]", "a: f32[N]"], "what the model keeps is not asked for");
    let named =
        |name: &str, values: Vec<f32>| Tensor { name: name.to_owned(), shape: vec![2], values: Values::F32(values) };
    let told = model.run(vec![named("a", vec![10.0, 20.0]), named("b", vec![1.0, 2.0])]).unwrap();
    assert_eq!(told, [named("y", vec![8.0, 17.0]), named("d", vec![9.0, 18.0])]);
}

#[test]
fn what_the_engine_lacks_is_named() {
    let (x, y) = ([port("x", tiny::FLOAT, &[0])], [port("y", tiny::FLOAT, &[0])]);
    let nodes = [node("Frobnicate", "com.acme", &["x"], &["z"]), node("Twist", "", &["z"], &["y"])];
    let lacking = unfit(&model(&nodes, &[], &x, &y));
    assert_eq!(told(&lacking), "the engine has no operator `Frobnicate` of com.acme, `Twist` of ai.onnx");
    let mapped = model(&[node("Identity", "", &["x"], &["y"])], &[], &x, &[no_tensor("y")]);
    assert!(matches!(unfit(&mapped), Unfit::Port(why) if why.contains("zipmap=False")));
    let nothing = unfit(&model(&[], &[], &x, &y));
    assert_eq!(told(&nothing), "it is no ONNX model: nothing in it makes the output `y`");
    assert!(matches!(unfit(&model(&[], &[], &x, &[])), Unfit::Port(_)));
}

#[test]
fn no_tensor_stands_elsewhere_and_none_is_larger_than_it_may_be() {
    let (x, y) = ([port("x", tiny::FLOAT, &[0])], [port("y", tiny::FLOAT, &[0])]);
    let with = |kept| model(&[node("Add", "", &["x", "w"], &["y"])], &[kept], &x, &y);
    // The field 14 is where the data is, 1 in another file.
    let elsewhere = [kept("w", tiny::FLOAT, &[1], b""), vec![14 << 3, 1]].concat();
    assert!(told(&unfit(&with(elsewhere))).contains("stands in another file"));
    let huge = kept("w", tiny::FLOAT, &[u32::MAX.into(), u32::MAX.into()], b"");
    assert!(matches!(unfit(&with(huge)), Unfit::TooLarge(_)));
    assert!(matches!(unfit(&with(kept("w", 99, &[1], b"0000"))), Unfit::NotOnnx(_)));
    assert!(matches!(unfit(&with(kept("w", tiny::FLOAT, &[u64::MAX], b""))), Unfit::NotOnnx(_)));
    assert!(matches!(unfit(&vec![0; MODEL_BYTES_MAX + 1]), Unfit::TooLarge(_)));
    let short = with(kept("w", tiny::FLOAT, &[1000], b"0000"));
    assert!(Model::read(&short).is_err(), "it has fewer bytes than its shape says");
}

#[test]
fn a_model_that_would_need_too_much_is_not_run() {
    let far: Vec<u8> = [1i64 << 20, 1 << 20].iter().flat_map(|length| length.to_le_bytes()).collect();
    let bytes = model(
        &[node("Expand", "", &["x", "far"], &["y"])],
        &[kept("far", tiny::INT64, &[2], &far)],
        &[port("x", tiny::FLOAT, &[1])],
        &[port("y", tiny::FLOAT, &[0, 0])],
    );
    let failed = Model::read(&bytes).unwrap().run(vec![tensor(&[1], Values::F32(vec![1.0]))]).unwrap_err();
    assert!(matches!(&failed, Failed::TooLarge(why) if why.contains("4398046511")), "{failed}");
}

#[test]
fn bytes_that_are_no_model_are_told_as_that_and_panic_nobody() {
    for bytes in [&b""[..], b"PK\x03\x04", b"\0asm", &[0xff; 64]] {
        assert!(matches!(unfit(bytes), Unfit::NotOnnx(_)), "{bytes:?}");
    }
    let whole = tiny::sum();
    let ask = |bytes: &[u8]| {
        if let Ok(mut model) = Model::read(bytes) {
            let _ = model.run(vec![tensor(&[1, 2], Values::F32(vec![1.0, 1.0]))]);
        }
    };
    for end in 0..whole.len() {
        ask(&whole[..end]);
    }
    for at in 0..whole.len() {
        for bits in [0x01, 0x80, 0xff] {
            let mut other = whole.clone();
            other[at] ^= bits;
            ask(&other);
        }
    }
}

#[test]
fn an_answer_is_what_the_model_says_it_gives() {
    let mut model = Model::read(&tiny::same(tiny::STRING)).unwrap();
    assert_eq!(model.description().outputs[0].element, Element::String);
    let empty = model.run(vec![tensor(&[0], Values::String(Vec::new()))]).unwrap();
    assert_eq!(empty[0].shape, [0]);
}

#[test]
fn trees_that_score_one_of_two_classes_give_the_label_of_the_likelier() {
    let sigmoid = |score: f32| 1.0 / (1.0 + (-score).exp());
    for (weights, base, transform, wanted) in [
        ([0.25, 0.75], &[][..], "NONE", [0.25, 0.75]),
        ([0.25, 0.5], &[0.125], "NONE", [0.375, 0.625]),
        ([-2.0, 3.0], &[0.5], "LOGISTIC", [sigmoid(-1.5), sigmoid(3.5)]),
        ([-2.0, 3.0], &[], "LOGISTIC", [sigmoid(-2.0), sigmoid(3.0)]),
    ] {
        let mut model = Model::read(&tiny::stump(weights, base, transform)).unwrap();
        let told = model.run(vec![tensor(&[2, 1], Values::F32(vec![-1.0, 1.0]))]).unwrap();
        assert_eq!(told[0].values, Values::I64(vec![7, 9]), "{weights:?} {transform}");
        let Values::F32(told) = &told[1].values else { panic!("they are floats") };
        for (told, wanted) in told.iter().zip([1.0 - wanted[0], wanted[0], 1.0 - wanted[1], wanted[1]]) {
            assert!((told - wanted).abs() < 1e-6, "{told} and {wanted}");
        }
    }
    let soft = unfit(&tiny::stump([0.25, 0.75], &[], "SOFTMAX"));
    assert!(matches!(&soft, Unfit::Engine(why) if why.contains("the transform SOFTMAX")), "{soft}");
}

#[test]
fn a_model_of_scikit_learn_says_what_it_said_there() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/fraud-score/model/");
    let read = |name: &str| std::fs::read(format!("{folder}{name}")).unwrap();
    let told: serde_json::Value = serde_json::from_slice(&read("predictions.json")).unwrap();
    let numbers = |of: &serde_json::Value| -> Vec<f32> {
        of.as_array()
            .unwrap()
            .iter()
            .flat_map(|row| row.as_array().unwrap())
            .map(|n| n.as_f64().unwrap() as f32)
            .collect()
    };
    let mut model = Model::read(&read("fraud.onnx")).unwrap();
    let outputs: Vec<_> = model.description().outputs.iter().map(ToString::to_string).collect();
    assert_eq!(model.description().inputs[0].to_string(), "payments: f32[?, 5]");
    assert_eq!(outputs, ["label: i64[?]", "probabilities: f32[?, 2]"]);
    let rows = told["rows"].as_array().unwrap().len() as u32;
    let answer = model.run(vec![tensor(&[rows, 5], Values::F32(numbers(&told["rows"])))]).unwrap();
    let labels = told["labels"].as_array().unwrap().iter().map(|label| label.as_i64().unwrap()).collect();
    assert_eq!(answer[0].values, Values::I64(labels));
    let Values::F32(probabilities) = &answer[1].values else { panic!("they are floats") };
    for (ours, theirs) in probabilities.iter().zip(numbers(&told["probabilities"])) {
        assert!((ours - theirs).abs() < 1e-5, "{ours} and {theirs}");
    }
    assert!(probabilities.iter().skip(1).step_by(2).any(|risk| *risk > 0.5), "some are fraud");
}
