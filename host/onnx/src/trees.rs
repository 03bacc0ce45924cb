//! Trees that tell two classes apart, said so that the engine gives the right label.
//!
//! ONNX lets such an ensemble score one class only: the other's score follows from it (`ai.onnx.ml`, TreeEnsembleClassifier; scikit-learn's exporter does
//! so). The engine computes the probabilities of that right and its label wrong: it compares the one score with that of a class that no leaf speaks of.
//! So the other class's leaves are written out here, each with the negative of its neighbour's weight, and the base values say what both begin with.
//!
//! Invariant: what comes out of it scores both classes, and the likelier one is the label. What cannot be said so is refused, and never answered wrong.

use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, attribute_proto::AttributeType};

use wharf_infer::Unfit;

/// Writes out the second class of all trees of a graph that score one of two; its branches and loops, which were found to be few deep, among them.
///
/// # Errors
/// When there is one for which that cannot be said.
pub(crate) fn score_both_classes(graph: &mut GraphProto) -> Result<(), Unfit> {
    for node in &mut graph.node {
        if node.op_type == "TreeEnsembleClassifier" {
            of_node(node)?;
        }
        let inner = node.attribute.iter_mut().flat_map(|of| of.g.iter_mut().chain(&mut of.graphs));
        inner.into_iter().try_for_each(score_both_classes)?;
    }
    Ok(())
}

fn named<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|of| of.name == name)
}

fn ints(node: &NodeProto, name: &str) -> Vec<i64> {
    named(node, name).map(|of| of.ints.clone()).unwrap_or_default()
}

fn floats(node: &NodeProto, name: &str) -> Vec<f32> {
    named(node, name).map(|of| of.floats.clone()).unwrap_or_default()
}

fn of_node(node: &mut NodeProto) -> Result<(), Unfit> {
    let labels = ints(node, "classlabels_int64s").len();
    let labels = labels + named(node, "classlabels_strings").map_or(0, |of| of.strings.len());
    let classes = ints(node, "class_ids");
    if labels != 2 || classes.windows(2).any(|pair| pair.first() != pair.last()) {
        return Ok(());
    }
    let unfit = |why: &str| Unfit::Engine(format!("a TreeEnsembleClassifier of two classes {why}"));
    let weights = floats(node, "class_weights");
    if weights.len() != classes.len() {
        return Err(unfit("has not one weight for each of its leaves"));
    }
    let base = match floats(node, "base_values").as_slice() {
        [] => 0.0,
        [base] => *base,
        _ => return Err(unfit("scores one of them and begins with values for both")),
    };
    let transform = named(node, "post_transform").map(|of| String::from_utf8_lossy(&of.s).into_owned());
    // A score that is no probability yet has its opposite for the other class, and a probability what it lacks of 1.
    let whole = match transform.as_deref() {
        None | Some("" | "NONE") if weights.iter().all(|weight| *weight >= 0.0) => 1.0,
        None | Some("" | "NONE" | "LOGISTIC") => 0.0,
        Some(other) => return Err(unfit(&format!("scores one of them, with the transform {other}"))),
    };
    for name in ["class_nodeids", "class_treeids"] {
        let twice = ints(node, name).into_iter().flat_map(|id| [id, id]).collect();
        set(node, name, AttributeType::Ints, |of| of.ints = twice);
    }
    let both = classes.iter().flat_map(|_| [0, 1]).collect();
    set(node, "class_ids", AttributeType::Ints, |of| of.ints = both);
    let both = weights.iter().flat_map(|weight| [-weight, *weight]).collect();
    set(node, "class_weights", AttributeType::Floats, |of| of.floats = both);
    set(node, "base_values", AttributeType::Floats, |of| of.floats = vec![whole - base, base]);
    Ok(())
}

fn set(node: &mut NodeProto, name: &str, kind: AttributeType, set: impl FnOnce(&mut AttributeProto)) {
    node.attribute.retain(|of| of.name != name);
    let mut of = AttributeProto { name: name.to_owned(), r#type: kind as i32, ..AttributeProto::default() };
    set(&mut of);
    node.attribute.push(of);
}
