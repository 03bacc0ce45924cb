//! Models of a tenant: their files. They are opened where components are, not here.

use std::{collections::BTreeMap, ops::Range};

use wharf_event::ModelName;

use super::{
    keys::{Key, Otherwise, Shape, key},
    table::{Found, Table},
};

/// The keys of a model.
pub(super) static MODEL: &[Key] = &[key(
    "file",
    "The model's file, in the format ONNX, relative to the folder of this file.",
    Shape::Text,
    Otherwise::Required,
)];

/// A model of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnModelConfig {
    /// Its file, relative to the configuration's folder.
    pub file: String,
    /// Where the file is named, for mistakes found in it.
    pub file_span: Range<usize>,
}

/// Reads all of them.
pub(super) fn read(table: &Table<'_>) -> BTreeMap<ModelName, OwnModelConfig> {
    let mut models = BTreeMap::new();
    for (name, table) in table.named::<ModelName>("models") {
        if table.value("file").is_none() {
            table.missing("file", "name the file of a model: file = \"fraud.onnx\"");
        }
        let Some(Found { value: file, span: file_span }) = table.parsed::<String>("file") else { continue };
        models.insert(name, OwnModelConfig { file, file_span });
    }
    models
}
