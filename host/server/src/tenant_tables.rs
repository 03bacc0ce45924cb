//! What a tenant's tables in `wharf.toml` say of files: its schemas, and whether each plugin is of the kind that its place needs.
//!
//! Invariant: every mistake is told at its place in the file. It is the same for whoever reads the file: a host, `wharf check`,
//! `wharf deploy`. Components are not read here.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use wharf_delivery::SchemaDocument;
use wharf_event::{Code, PluginName, SchemaName};

use crate::{
    config::{Problem, SchemaConfig, TenantConfig, Use},
    schema_file,
};

/// The schemas of a tenant, each with what its file says, and all files that were looked for.
pub fn schemas(
    folder: &Path,
    schemas: &BTreeMap<SchemaName, SchemaConfig>,
    problems: &mut Vec<Problem>,
) -> (BTreeMap<SchemaName, SchemaDocument>, Vec<PathBuf>) {
    let (mut documents, mut files) = (BTreeMap::new(), Vec::new());
    for (name, SchemaConfig { file, file_span, bus, kind, mode }) in schemas {
        let path = folder.join(file);
        match schema_file::read(&path) {
            Ok(schema) => {
                let (bus, kind, schema) = (bus.clone(), kind.clone(), schema.json().clone());
                documents.insert(name.clone(), SchemaDocument { bus, kind, mode: *mode, schema });
            }
            Err(mistakes) => problems.extend(mistakes.into_iter().map(|message| Problem {
                span: file_span.clone(),
                code: Code::SchemaInvalid,
                message: format!("schema {}: {message}", path.display()),
                help: "`wharf explain schema-invalid` says what a schema may be".to_owned(),
            })),
        }
        files.push(path);
    }
    (documents, files)
}

/// Whether each plugin is of the kind that its place needs, now that the components are known: `is_transform` says nothing of
/// those that could not be read.
pub fn check_uses(
    tenant: &TenantConfig,
    is_transform: impl Fn(&PluginName) -> Option<bool>,
    problems: &mut Vec<Problem>,
) {
    let mut report = |span: &Range<usize>, message: String, help: &str| {
        let (span, code, help) = (span.clone(), Code::ConfigInvalid, help.to_owned());
        problems.push(Problem { span, code, message, help });
    };
    for Use { plugin, span, transforms } in &tenant.uses {
        match (is_transform(plugin), *transforms) {
            (Some(true), false) => {
                let message = format!("plugin `{plugin}` is a transform, and a target handles events");
                report(span, message, "name it in `transforms` of the rule, and a plugin with a handler here");
            }
            (Some(false), true) => {
                let message = format!("plugin `{plugin}` handles events, and is no transform");
                report(span, message, "name it as a target, and here a plugin of the world event-transform");
            }
            // As it should be, or told already.
            _ => {}
        }
    }
    for (name, plugin) in tenant.plugins.iter().filter(|(name, _)| is_transform(name) == Some(true)) {
        for (key, span) in &plugin.handler_keys {
            let message = format!("plugin `{name}` is a transform, which takes no `{key}`: it imports nothing");
            report(span, message, "remove it; what needs it is a handler");
        }
    }
}
