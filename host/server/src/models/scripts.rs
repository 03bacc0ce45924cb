//! The files of answers that providers of the kind `replay` name.
//!
//! Invariant: each is read when the configuration is, and whole: a mistake in one is a mistake of the configuration. What was used of its lines is forgotten
//! when it is read again.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use wharf_event::{Code, ProviderName};
use wharf_llm::{Script, limits::SCRIPT_BYTES_MAX};

use crate::{
    compile::read_bounded,
    config::{AnswersFile, LlmConfig, Problem},
};

/// Scripts by their providers.
pub type Scripts = BTreeMap<ProviderName, Arc<Script>>;

/// Why a file of answers is none.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It cannot be read.
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    /// There is a mistake in it.
    #[error(transparent)]
    Script(#[from] wharf_llm::NotScript),
}

/// Reads a file of answers, which is called so where a line is missing in it.
///
/// # Errors
/// When it is none.
pub fn read_script(path: &Path, name: &str) -> Result<Script, ScriptError> {
    let bytes = read_bounded(path, SCRIPT_BYTES_MAX as u64 + 1)?;
    if bytes.len() > SCRIPT_BYTES_MAX {
        return Err(wharf_llm::NotScript::Size.into());
    }
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    Ok(Script::parse(name, &text)?)
}

/// Reads all of them, with the files that they are in.
pub fn read(folder: &Path, config: &LlmConfig, problems: &mut Vec<Problem>) -> (Scripts, Vec<PathBuf>) {
    let (mut scripts, mut files) = (Scripts::new(), Vec::new());
    for (name, provider) in &config.providers {
        let Some(AnswersFile { file, span }) = &provider.answers else { continue };
        let path = folder.join(file);
        match read_script(&path, file) {
            Ok(script) => drop(scripts.insert(name.clone(), Arc::new(script))),
            Err(error) => problems.push(Problem {
                span: span.clone(),
                code: Code::ConfigInvalid,
                message: format!("answers {}: {error}", path.display()),
                help: "a line is as {\"route\": \"triage\", \"user\": \"it crashes\", \"text\": \"bug\"}; docs/design/llm.md, \"Answers of a file\", has the rest".to_owned(),
            }),
        }
        files.push(path);
    }
    (scripts, files)
}
