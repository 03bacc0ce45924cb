//! A model that is ready: `tract`, behind what is asked of it here.
//!
//! Invariant: a model is prepared for the shapes that it is asked with, so all sizes in it are known before it runs, and what it would need is
//! compared with what it may. A panic of the engine is a failure of the model. Its time is bounded by whoever runs it: nothing here can interrupt it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tract_onnx::{
    Onnx, onnx,
    pb::ModelProto,
    prelude::{
        DatumType, Framework as _, InferenceModel, InferenceModelExt as _, IntoRunnable as _, TVec, TractResult,
        TypedModel, TypedRunnableModel,
    },
    tract_hir::infer::{Factoid as _, InferenceFact},
};

use wharf_infer::{Asked, Description, Failed, Tensor, Unfit, in_order, limits::MODEL_BYTES_MAX, short, within_bounds};

use crate::{
    limits::{BETWEEN_BYTES_MAX, SHAPES_MAX},
    proto, trees, values,
};

/// A model with its inputs' lengths filled in.
struct Prepared {
    shapes: Vec<Vec<u32>>,
    plan: Arc<TypedRunnableModel>,
}

/// A model that can be asked.
pub struct Model {
    description: Description,
    model: InferenceModel,
    inputs: Vec<DatumType>,
    /// The one that was used last stands at the end.
    prepared: Vec<Prepared>,
}

impl Model {
    /// Reads a model.
    ///
    /// # Errors
    /// When it is none, has more than it may, or needs what is not there.
    pub fn read(bytes: &[u8]) -> Result<Self, Unfit> {
        let engine = onnx();
        let (mut proto, description) = proto_of(bytes, &engine)?;
        proto.graph.as_mut().map_or(Ok(()), trees::score_both_classes)?;
        let parsed = guarded(|| engine.model_for_proto_model(&proto)).map_err(Unfit::Engine)?;
        let mut inputs = Vec::new();
        for at in 0..description.inputs.len() {
            let fact = parsed.input_fact(at).map_err(|error| Unfit::Engine(told(&error)))?;
            let kind = fact.datum_type.concretize();
            inputs.push(kind.ok_or_else(|| Unfit::Engine("an input has no kind".to_owned()))?);
        }
        Ok(Self { description, model: parsed, inputs, prepared: Vec::new() })
    }

    /// What a model says of itself, without making it ready.
    ///
    /// # Errors
    /// When it is none that could be made ready, as far as that can be seen.
    pub fn look(bytes: &[u8]) -> Result<Description, Unfit> {
        Ok(proto_of(bytes, &onnx())?.1)
    }

    /// The model for inputs of these shapes.
    fn plan(&mut self, shapes: Vec<Vec<u32>>) -> Result<Arc<TypedRunnableModel>, Failed> {
        if let Some(at) = self.prepared.iter().position(|prepared| prepared.shapes == shapes) {
            let prepared = self.prepared.remove(at);
            let plan = Arc::clone(&prepared.plan);
            self.prepared.push(prepared);
            return Ok(plan);
        }
        let mut model = self.model.clone();
        let typed = guarded(|| {
            for (at, (shape, kind)) in shapes.iter().zip(&self.inputs).enumerate() {
                let lengths: Vec<usize> = shape.iter().map(|length| *length as usize).collect();
                model.set_input_fact(at, InferenceFact::dt_shape(*kind, lengths))?;
            }
            model.into_typed()
        });
        let typed = typed.map_err(Failed::Model)?;
        within(&typed)?;
        let plan = guarded(|| typed.into_optimized()?.into_runnable()).map_err(Failed::Model)?;
        if self.prepared.len() >= SHAPES_MAX {
            self.prepared.remove(0);
        }
        self.prepared.push(Prepared { shapes, plan: Arc::clone(&plan) });
        Ok(plan)
    }
}

impl Asked for Model {
    fn description(&self) -> &Description {
        &self.description
    }

    fn run(&mut self, tensors: Vec<Tensor>) -> Result<Vec<Tensor>, Failed> {
        let tensors = in_order(&self.description, tensors)?;
        let shapes: Vec<Vec<u32>> = tensors.iter().map(|tensor| tensor.shape.clone()).collect();
        let mut inputs = TVec::new();
        for (tensor, kind) in tensors.into_iter().zip(&self.inputs) {
            inputs.push(values::inner(tensor, *kind)?.into());
        }
        let plan = self.plan(shapes)?;
        let outputs = guarded(|| plan.run(inputs)).map_err(Failed::Model)?;
        if outputs.len() != self.description.outputs.len() {
            return Err(Failed::Model("it gave another number of outputs than it says".to_owned()));
        }
        let told = self.description.outputs.iter().zip(&outputs);
        let told: Vec<_> =
            told.map(|(port, tensor)| values::outer(&port.name, tensor, port.element)).collect::<Result<_, _>>()?;
        within_bounds(&told)?;
        Ok(told)
    }
}

fn proto_of(bytes: &[u8], engine: &Onnx) -> Result<(ModelProto, Description), Unfit> {
    if bytes.len() > MODEL_BYTES_MAX {
        return Err(Unfit::TooLarge(format!("it has {} bytes; {MODEL_BYTES_MAX} may be", bytes.len())));
    }
    let proto = guarded(|| engine.proto_model_for_read(&mut &*bytes)).map_err(Unfit::NotOnnx)?;
    let description = proto::look(&proto, engine)?;
    Ok((proto, description))
}

/// Whether what lies between its inputs and its outputs is within bounds, as far as it is known: all of it, as if nothing were given back.
fn within(model: &TypedModel) -> Result<(), Failed> {
    let mut bytes = 0u64;
    for fact in model.nodes().iter().flat_map(|node| &node.outputs).map(|outlet| &outlet.fact) {
        let elements = fact
            .shape
            .as_concrete()
            .map(|lengths| lengths.iter().fold(1u64, |all, length| all.saturating_mul(*length as u64)));
        let size = fact.datum_type.size_of() as u64;
        bytes = bytes.saturating_add(elements.unwrap_or(0).saturating_mul(size));
    }
    match bytes {
        bytes if bytes > BETWEEN_BYTES_MAX => Err(Failed::TooLarge(format!(
            "with inputs of these shapes the model needs {bytes} bytes; {BETWEEN_BYTES_MAX} may be"
        ))),
        _ => Ok(()),
    }
}

/// Does what the engine may fail or panic in.
fn guarded<T>(act: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(told(&error)),
        Err(panic) => {
            let said = panic.downcast_ref::<&str>().copied();
            let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            Err(short(&format!("the engine panicked: {}", said.unwrap_or("without a word"))))
        }
    }
}

/// An error with its causes.
fn told(error: &tract_onnx::prelude::TractError) -> String {
    short(&format!("{error:#}"))
}
