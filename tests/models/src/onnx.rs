//! Tiny models in the format ONNX, for tests: its protobuf, written a field at a time (onnx.proto has the numbers).
//!
//! Invariant: nothing checks what is written, so that files can be made that no tool would make.

/// 32-bit floats, as ONNX numbers kinds of elements.
pub const FLOAT: u64 = 1;
/// 8 bits without a sign.
pub const UINT8: u64 = 2;
/// Whole numbers of 32 bits.
pub const INT32: u64 = 6;
/// Whole numbers of 64 bits.
pub const INT64: u64 = 7;
/// Texts.
pub const STRING: u64 = 8;
/// Yes or no.
pub const BOOL: u64 = 9;
/// Floats of 16 bits.
pub const FLOAT16: u64 = 10;
/// Floats of 64 bits.
pub const DOUBLE: u64 = 11;

fn varint(mut number: u64, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

fn int(field: u64, number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint(field << 3, &mut bytes);
    varint(number, &mut bytes);
    bytes
}

fn part(field: u64, part: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint(field << 3 | 2, &mut bytes);
    varint(part.as_ref().len() as u64, &mut bytes);
    bytes.extend(part.as_ref());
    bytes
}

/// A node: its operator, whose that is, what it takes and gives.
#[must_use]
pub fn node(operator: &str, domain: &str, inputs: &[&str], outputs: &[&str]) -> Vec<u8> {
    let taken = inputs.iter().map(|name| part(1, name));
    let given = outputs.iter().map(|name| part(2, name));
    [taken.chain(given).collect::<Vec<_>>().concat(), part(4, operator), part(7, domain)].concat()
}

/// An attribute of a node: whole numbers, floats, or texts, in this order of what there is.
#[must_use]
pub fn attribute(name: &str, ints: &[u64], floats: &[f32], texts: &[&str]) -> Vec<u8> {
    // Each with the number that says which of them it is.
    let kind = if ints.is_empty() { if floats.is_empty() { 8 } else { 6 } } else { 7 };
    let ints: Vec<_> = ints.iter().map(|number| int(8, *number)).collect();
    let floats: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
    let texts: Vec<_> = texts.iter().map(|text| part(9, text)).collect();
    let values = [ints.concat(), if floats.is_empty() { floats } else { part(7, floats) }, texts.concat()].concat();
    part(5, [part(1, name), values, int(20, kind)].concat())
}

/// A tree of one question, whether `x` is at most 0, that tells 7 and 9 apart: 9 has `weights` for that and for the other, behind `base`, and
/// of that the `transform`.
#[must_use]
pub fn stump(weights: [f32; 2], base: &[f32], transform: &str) -> Vec<u8> {
    let text = part(5, [part(1, "post_transform"), part(4, transform), int(20, 3)].concat());
    let tree = [
        node("TreeEnsembleClassifier", "ai.onnx.ml", &["x"], &["label", "p"]),
        attribute("nodes_treeids", &[0, 0, 0], &[], &[]),
        attribute("nodes_nodeids", &[0, 1, 2], &[], &[]),
        attribute("nodes_featureids", &[0, 0, 0], &[], &[]),
        attribute("nodes_truenodeids", &[1, 0, 0], &[], &[]),
        attribute("nodes_falsenodeids", &[2, 0, 0], &[], &[]),
        attribute("nodes_values", &[], &[0.0, 0.0, 0.0], &[]),
        attribute("nodes_modes", &[], &[], &["BRANCH_LEQ", "LEAF", "LEAF"]),
        attribute("class_treeids", &[0, 0], &[], &[]),
        attribute("class_nodeids", &[1, 2], &[], &[]),
        attribute("class_ids", &[0, 0], &[], &[]),
        attribute("class_weights", &[], &weights, &[]),
        attribute("classlabels_int64s", &[7, 9], &[], &[]),
        if base.is_empty() { Vec::new() } else { attribute("base_values", &[], base, &[]) },
        text,
    ];
    model(&[tree.concat()], &[], &[port("x", FLOAT, &[0, 1])], &[port("label", INT64, &[0]), port("p", FLOAT, &[0, 2])])
}

/// A tensor that the model keeps.
#[must_use]
pub fn kept(name: &str, kind: u64, dims: &[u64], raw: &[u8]) -> Vec<u8> {
    let dims: Vec<_> = dims.iter().map(|length| int(1, *length)).collect();
    [dims.concat(), int(2, kind), part(8, name), part(9, raw)].concat()
}

/// A tensor that goes in or comes out; a length of 0 is `N`.
#[must_use]
pub fn port(name: &str, kind: u64, dims: &[u64]) -> Vec<u8> {
    let dim = |length: &u64| part(1, if *length == 0 { part(2, "N") } else { int(1, *length) });
    let shape: Vec<_> = dims.iter().map(dim).collect();
    let tensor = [int(1, kind), part(2, shape.concat())].concat();
    [part(1, name), part(2, part(1, tensor))].concat()
}

/// Something that goes in or comes out and is no tensor, as `ZipMap` gives it: a sequence.
#[must_use]
pub fn no_tensor(name: &str) -> Vec<u8> {
    [part(1, name), part(2, part(4, []))].concat()
}

/// A model of nodes, tensors, inputs and outputs.
#[must_use]
pub fn model(nodes: &[Vec<u8>], kept: &[Vec<u8>], inputs: &[Vec<u8>], outputs: &[Vec<u8>]) -> Vec<u8> {
    let all = |field, list: &[Vec<u8>]| list.iter().map(|one| part(field, one)).collect::<Vec<_>>().concat();
    let graph = [all(1, nodes), part(2, "tiny"), all(5, kept), all(11, inputs), all(12, outputs)].concat();
    [int(1, 8), part(2, "wharf"), part(7, graph), part(8, int(2, 17))].concat()
}

/// `y = x · [1, 2]`, for as many rows as one likes.
#[must_use]
pub fn sum() -> Vec<u8> {
    weighted([1.0, 2.0])
}

/// The same with each row counted several times: `y = x · [weight, weight]`.
#[must_use]
pub fn product(weight: f32) -> Vec<u8> {
    weighted([weight, weight])
}

fn weighted(weights: [f32; 2]) -> Vec<u8> {
    let weights: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    model(
        &[node("MatMul", "", &["x", "w"], &["y"])],
        &[kept("w", FLOAT, &[2, 1], &weights)],
        &[port("x", FLOAT, &[0, 2])],
        &[port("y", FLOAT, &[0, 1])],
    )
}

/// What gives back what it gets, of a kind.
#[must_use]
pub fn same(kind: u64) -> Vec<u8> {
    model(&[node("Identity", "", &["x"], &["y"])], &[], &[port("x", kind, &[0])], &[port("y", kind, &[0])])
}

/// What takes as long as it is told, and little memory: the largest value in each window of so many, over twice as many values.
#[must_use]
pub fn slow(window: u32) -> Vec<u8> {
    let window = u64::from(window);
    let far: Vec<u8> = [1, 1, window * 2].iter().flat_map(|length| length.to_le_bytes()).collect();
    let pool = [node("MaxPool", "", &["many"], &["y"]), attribute("kernel_shape", &[window], &[], &[])].concat();
    model(
        &[node("Expand", "", &["x", "far"], &["many"]), pool],
        &[kept("far", INT64, &[3], &far)],
        &[port("x", FLOAT, &[1])],
        &[port("y", FLOAT, &[1, 1, window + 1])],
    )
}

/// `y = a - b - c`, of which `c` is 1 unless it is given, and which says `b` before `a`.
#[must_use]
pub fn difference() -> Vec<u8> {
    let kept_c = kept("c", FLOAT, &[1], &1f32.to_le_bytes());
    model(
        &[node("Sub", "", &["a", "b"], &["d"]), node("Sub", "", &["d", "c"], &["y"])],
        &[kept_c],
        &[port("b", FLOAT, &[0]), port("c", FLOAT, &[1]), port("a", FLOAT, &[0])],
        &[port("y", FLOAT, &[0]), port("d", FLOAT, &[0])],
    )
}

/// What would need more memory than a machine has, as soon as it is made ready: a constant of so many elements.
#[must_use]
pub fn bomb() -> Vec<u8> {
    let far: Vec<u8> = [1i64 << 20, 1 << 20].iter().flat_map(|length| length.to_le_bytes()).collect();
    model(
        &[node("ConstantOfShape", "", &["far"], &["huge"]), node("Add", "", &["x", "huge"], &["y"])],
        &[kept("far", INT64, &[2], &far)],
        &[port("x", FLOAT, &[1])],
        &[port("y", FLOAT, &[0, 0])],
    )
}
