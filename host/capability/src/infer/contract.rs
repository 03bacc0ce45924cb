//! Between the contract's words for tensors and the host's: the same things, under two sets of types.

use wharf_infer::{Failed, Tensor, Values};

use super::port::{InferFailed, Inferred};
use crate::bindings::infer::wharf::infer::models;

pub(super) fn tensors(of: Vec<models::Tensor>) -> Vec<Tensor> {
    let values = |of| match of {
        models::Values::Floats(values) => Values::F32(values),
        models::Values::Doubles(values) => Values::F64(values),
        models::Values::Ints(values) => Values::I32(values),
        models::Values::Longs(values) => Values::I64(values),
        models::Values::Bools(values) => Values::Bool(values),
        models::Values::Strings(values) => Values::String(values),
    };
    let tensor = |models::Tensor { name, shape, values: of }| Tensor { name, shape, values: values(of) };
    of.into_iter().map(tensor).collect()
}

pub(super) fn answer(of: Inferred) -> models::Answer {
    let values = |of| match of {
        Values::F32(values) => models::Values::Floats(values),
        Values::F64(values) => models::Values::Doubles(values),
        Values::I32(values) => models::Values::Ints(values),
        Values::I64(values) => models::Values::Longs(values),
        Values::Bool(values) => models::Values::Bools(values),
        Values::String(values) => models::Values::Strings(values),
    };
    let tensor = |Tensor { name, shape, values: of }| models::Tensor { name, shape, values: values(of) };
    models::Answer { outputs: of.outputs.into_iter().map(tensor).collect(), version: of.version.to_string() }
}

pub(super) fn failed(why: InferFailed) -> models::InferError {
    match why {
        InferFailed::Denied(_, why) => models::InferError::Denied(why),
        InferFailed::Limit(why) | InferFailed::Asked(Failed::TooLarge(why), _) => models::InferError::Limit(why),
        InferFailed::Asked(Failed::Invalid(why), _) => models::InferError::Invalid(why),
        InferFailed::Asked(Failed::Busy, _) => models::InferError::Busy,
        InferFailed::Asked(Failed::Timeout, _) => models::InferError::Timeout,
        InferFailed::Asked(Failed::Model(why), _) => models::InferError::Failed(why),
        InferFailed::Outside(_, why, _) => models::InferError::Unavailable(why),
        InferFailed::Asked(why @ (Failed::Unfit(_) | Failed::Host(_)), _) => {
            models::InferError::Unavailable(why.to_string())
        }
    }
}
