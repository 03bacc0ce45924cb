//! Models whose files the configuration names: read where components are, and described without being run.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use wharf_event::{Code, Digest, ModelName};
use wharf_infer::{Unfit, apart, limits::MODEL_BYTES_MAX};

use super::{OwnModel, endpoint};
use crate::{
    compile::read_bounded,
    config::{OwnModelConfig, Problem},
};

/// What to do about a model that is none that can be asked.
fn unfit(why: &Unfit) -> (Code, String, String) {
    (Code::ModelUnfit, why.to_string(), "`wharf explain model-unfit` says what a model may be".to_owned())
}

/// What to do about one whose questions cannot be joined, though they are to be.
fn not_joined(name: &ModelName, span: Range<usize>, why: &str) -> Problem {
    let message = format!("questions to the model `{name}` cannot be joined to batches: {why}");
    let help = "export it with a first dimension that has no length, or leave `batch` out".to_owned();
    Problem { span, code: Code::ConfigInvalid, message, help }
}

/// The models of a tenant, and all files that were looked for.
pub fn read(
    folder: &Path,
    models: &BTreeMap<ModelName, OwnModelConfig>,
    problems: &mut Vec<Problem>,
) -> (BTreeMap<ModelName, OwnModel>, Vec<PathBuf>) {
    let (mut read, mut files) = (BTreeMap::new(), Vec::new());
    for (name, config) in models {
        let (file, file_span, batch) = match config {
            OwnModelConfig::File { file, file_span, batch } => (file, file_span, batch),
            OwnModelConfig::Endpoint(of) => {
                read.insert(name.clone(), endpoint::model(of.clone()));
                continue;
            }
        };
        let path = folder.join(file);
        let model = read_bounded(&path, MODEL_BYTES_MAX as u64 + 1).map_err(|error| {
            let help = "export it, or correct the path; it is relative to the configuration's folder";
            (Code::ModelUnfit, error.to_string(), help.to_owned())
        });
        let model = model.and_then(|bytes| match wharf_onnx::Model::look(&bytes) {
            Ok(description) => {
                let (digest, batch) = (Digest::of(&bytes), batch.as_ref().map(|(batch, _)| *batch));
                Ok(OwnModel { digest, bytes: bytes.into(), description, batch, endpoint: None })
            }
            Err(why) => Err(unfit(&why)),
        });
        match model {
            Ok(model) => {
                if let (Some((_, span)), Some(why)) = (batch, apart(&model.description)) {
                    problems.push(not_joined(name, span.clone(), &why));
                }
                read.insert(name.clone(), model);
            }
            Err((code, message, help)) => {
                let message = format!("model {}: {message}", path.display());
                problems.push(Problem { span: file_span.clone(), code, message, help });
            }
        }
        files.push(path);
    }
    (read, files)
}
