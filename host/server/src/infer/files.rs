//! Models whose files the configuration names: read where components are, and described without being run.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use wharf_event::{Code, Digest, ModelName};
use wharf_infer::{Unfit, limits::MODEL_BYTES_MAX};

use super::{OwnModel, endpoint};
use crate::{
    compile::read_bounded,
    config::{OwnModelConfig, Problem},
};

/// What to do about a model that is none that can be asked.
fn unfit(why: &Unfit) -> (Code, String, String) {
    (Code::ModelUnfit, why.to_string(), "`wharf explain model-unfit` says what a model may be".to_owned())
}

/// The models of a tenant, and all files that were looked for.
pub fn read(
    folder: &Path,
    models: &BTreeMap<ModelName, OwnModelConfig>,
    problems: &mut Vec<Problem>,
) -> (BTreeMap<ModelName, OwnModel>, Vec<PathBuf>) {
    let (mut read, mut files) = (BTreeMap::new(), Vec::new());
    for (name, config) in models {
        let (file, file_span) = match config {
            OwnModelConfig::File { file, file_span } => (file, file_span),
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
                Ok(OwnModel { digest: Digest::of(&bytes), bytes: bytes.into(), description, endpoint: None })
            }
            Err(why) => Err(unfit(&why)),
        });
        match model {
            Ok(model) => _ = read.insert(name.clone(), model),
            Err((code, message, help)) => {
                let message = format!("model {}: {message}", path.display());
                problems.push(Problem { span: file_span.clone(), code, message, help });
            }
        }
        files.push(path);
    }
    (read, files)
}
