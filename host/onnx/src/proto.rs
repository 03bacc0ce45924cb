//! What a model's file says, looked at before the engine sees it: bounds, operators, what goes in and comes out.
//!
//! Invariant: a file that passes has all that the engine takes for granted and would panic without; and none of its tensors stands in another file.

use std::collections::{BTreeMap, BTreeSet};

use tract_onnx::{
    Onnx,
    pb::{
        AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto,
        tensor_proto::{DataLocation, DataType},
        tensor_shape_proto::dimension::Value as DimValue,
        type_proto::Value as TypeValue,
    },
};

use wharf_infer::{
    Description, Dim, Element, Port, Unfit,
    limits::{DIMS_MAX, NAME_BYTES_MAX, PORTS_MAX},
    short,
};

use crate::limits::{DEPTH_MAX, KEPT_ELEMENTS_MAX, NODES_MAX};

/// What there is of a model so far.
#[derive(Default)]
struct Seen {
    nodes: usize,
    elements: u64,
    lacking: BTreeSet<String>,
}

/// What a model says of itself, if the engine can be given it.
///
/// # Errors
/// When it cannot.
pub(crate) fn look(model: &ModelProto, engine: &Onnx) -> Result<Description, Unfit> {
    let graph = model.graph.as_ref().ok_or_else(|| Unfit::NotOnnx("it has no graph".to_owned()))?;
    let mut seen = Seen::default();
    if !model.functions.is_empty() {
        return Err(Unfit::Operator("of one's own: functions within the model are not read".to_owned()));
    }
    seen.graph(graph, engine, 0)?;
    if !seen.lacking.is_empty() {
        return Err(Unfit::Operator(seen.lacking.into_iter().take(8).collect::<Vec<_>>().join(", ")));
    }
    let kept: BTreeSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let inputs = graph.input.iter().filter(|input| !kept.contains(input.name.as_str()));
    let inputs = ports(inputs, "input")?;
    let outputs = ports(graph.output.iter(), "output")?;
    if outputs.is_empty() {
        return Err(Unfit::Port("it has no output".to_owned()));
    }
    are_made(graph)?;
    let opset = model.opset_import.iter().find(|set| set.domain.is_empty() || set.domain == "ai.onnx");
    Ok(Description {
        inputs,
        outputs,
        nodes: u32::try_from(seen.nodes).unwrap_or(u32::MAX),
        opset: opset.and_then(|set| u32::try_from(set.version).ok()).unwrap_or(0),
        producer: short(&format!("{} {}", model.producer_name, model.producer_version)),
    })
}

/// Whether every output is made by something. (What nodes take may be made outside of a branch, and is the engine's to find.)
fn are_made(graph: &GraphProto) -> Result<(), Unfit> {
    let mut made: BTreeSet<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
    made.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
    made.extend(graph.node.iter().flat_map(|node| &node.output).map(String::as_str));
    match graph.output.iter().find(|output| !made.contains(output.name.as_str())) {
        None => Ok(()),
        Some(output) => Err(Unfit::NotOnnx(short(&format!("nothing in it makes the output `{}`", output.name)))),
    }
}

impl Seen {
    fn graph(&mut self, graph: &GraphProto, engine: &Onnx, depth: usize) -> Result<(), Unfit> {
        if depth > DEPTH_MAX {
            return Err(Unfit::TooLarge(format!("branches and loops are at most {DEPTH_MAX} deep in each other")));
        }
        if !graph.sparse_initializer.is_empty() {
            return Err(Unfit::Operator("for sparse tensors".to_owned()));
        }
        graph.initializer.iter().try_for_each(|tensor| self.tensor(tensor))?;
        if depth > 0 {
            are_made(graph).or_else(|error| match error {
                // What a branch gives may be made around it.
                Unfit::NotOnnx(_) if graph.node.is_empty() => Ok(()),
                error => Err(error),
            })?;
        }
        for info in graph.input.iter().chain(&graph.output).chain(&graph.value_info) {
            is_known(info)?;
        }
        self.nodes = self.nodes.saturating_add(graph.node.len());
        if self.nodes > NODES_MAX {
            return Err(Unfit::TooLarge(format!("it has more than {NODES_MAX} nodes")));
        }
        for node in &graph.node {
            if !engine.op_register.0.contains_key(&node.op_type) {
                let domain = if node.domain.is_empty() { "ai.onnx" } else { &node.domain };
                self.lacking.insert(short(&format!("`{}` of {domain}", node.op_type)));
            }
            node.attribute.iter().try_for_each(|attribute| self.attribute(attribute, engine, depth))?;
        }
        Ok(())
    }

    fn attribute(&mut self, of: &AttributeProto, engine: &Onnx, depth: usize) -> Result<(), Unfit> {
        of.t.iter().chain(&of.tensors).try_for_each(|tensor| self.tensor(tensor))?;
        of.g.iter().chain(&of.graphs).try_for_each(|graph| self.graph(graph, engine, depth + 1))
    }

    fn tensor(&mut self, tensor: &TensorProto) -> Result<(), Unfit> {
        let named = || short(&format!("the tensor `{}`", tensor.name));
        if tensor.data_location == Some(DataLocation::External as i32) || !tensor.external_data.is_empty() {
            return Err(Unfit::NotOnnx(format!("{} stands in another file: save the model as one file", named())));
        }
        DataType::try_from(tensor.data_type)
            .ok()
            .filter(|kind| *kind != DataType::Undefined)
            .ok_or_else(|| Unfit::NotOnnx(format!("{} is of no known kind", named())))?;
        let elements =
            tensor.dims.iter().try_fold(1u64, |all, length| Some(all.saturating_mul(u64::try_from(*length).ok()?)));
        let elements = elements.ok_or_else(|| Unfit::NotOnnx(format!("{} has a length below 0", named())))?;
        self.elements = self.elements.saturating_add(elements);
        if self.elements > KEPT_ELEMENTS_MAX {
            return Err(Unfit::TooLarge(format!("its tensors have more than {KEPT_ELEMENTS_MAX} elements")));
        }
        Ok(())
    }
}

/// Whether a tensor that is told of is of a kind that there is.
fn is_known(info: &ValueInfoProto) -> Result<(), Unfit> {
    let Some(TypeValue::TensorType(tensor)) = info.r#type.as_ref().and_then(|of| of.value.as_ref()) else {
        return Ok(());
    };
    match DataType::try_from(tensor.elem_type) {
        Ok(_) => Ok(()),
        Err(_) => Err(Unfit::NotOnnx(short(&format!("`{}` is of no known kind", info.name)))),
    }
}

fn ports<'a>(infos: impl Iterator<Item = &'a ValueInfoProto>, what: &str) -> Result<Vec<Port>, Unfit> {
    let mut ports = BTreeMap::new();
    let mut ordered = Vec::new();
    for info in infos {
        let port = port(info, what)?;
        if ports.insert(port.name.clone(), ()).is_some() {
            return Err(Unfit::Port(format!("it has two {what}s `{}`", port.name)));
        }
        ordered.push(port);
    }
    if ordered.len() > PORTS_MAX {
        return Err(Unfit::TooLarge(format!("it has more than {PORTS_MAX} {what}s")));
    }
    Ok(ordered)
}

fn port(info: &ValueInfoProto, what: &str) -> Result<Port, Unfit> {
    let name = info.name.clone();
    let named = short(&format!("the {what} `{name}`"));
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(Unfit::Port(format!("a name of an {what} has 1 to {NAME_BYTES_MAX} bytes")));
    }
    let Some(TypeValue::TensorType(tensor)) = info.r#type.as_ref().and_then(|of| of.value.as_ref()) else {
        return Err(Unfit::Port(format!(
            "{named} is no tensor (a model of scikit-learn gives tensors with `zipmap=False`)"
        )));
    };
    let kind = DataType::try_from(tensor.elem_type).unwrap_or(DataType::Undefined);
    let element = element(kind)
        .ok_or_else(|| Unfit::Port(format!("{named} has elements of the kind {kind:?}, which nobody can ask with")))?;
    let Some(shape) = &tensor.shape else { return Ok(Port { name, element, shape: None }) };
    if shape.dim.len() > DIMS_MAX {
        return Err(Unfit::Port(format!("{named} has more than {DIMS_MAX} dimensions")));
    }
    let dims = shape.dim.iter().map(|dim| match &dim.value {
        Some(DimValue::DimValue(length)) => u32::try_from(*length).map_or(Dim::Any, Dim::Fixed),
        Some(DimValue::DimParam(of)) if !of.is_empty() && !of.starts_with("unk__") => Dim::Named(short(of)),
        _ => Dim::Any,
    });
    Ok(Port { name, element, shape: Some(dims.collect()) })
}

/// How those who ask say elements of that kind.
fn element(kind: DataType) -> Option<Element> {
    Some(match kind {
        DataType::Float | DataType::Float16 | DataType::Bfloat16 => Element::F32,
        DataType::Double => Element::F64,
        DataType::Int32 | DataType::Int16 | DataType::Int8 | DataType::Uint16 | DataType::Uint8 => Element::I32,
        DataType::Int64 | DataType::Uint32 | DataType::Uint64 => Element::I64,
        DataType::Bool => Element::Bool,
        DataType::String => Element::String,
        _ => return None,
    })
}
