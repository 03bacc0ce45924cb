//! Models of a tenant: their files, or who runs them. Files are opened where components are, not here.
//!
//! Invariant: an endpoint is of a provider that there is, and that runs models which are asked with tensors.

use std::{
    collections::BTreeMap,
    ops::{Range, RangeInclusive},
    time::Duration,
};

use wharf_event::{ModelName, ProviderName};
use wharf_infer::{
    Batch, Payload,
    limits::{BATCH_ROWS_MAX, BATCH_WAIT_MS_MAX},
};

use super::{
    keys::{Key, Otherwise, Shape, key},
    llm::LlmConfig,
    providers::{Protocol, ProviderConfig},
    table::{Found, Sink, Table},
};

/// Bytes of the name of an endpoint.
const ENDPOINT_BYTES_MAX: usize = 63;

/// Rows of a run that questions share: one would be no other's.
pub const BATCH_ROWS: RangeInclusive<u32> = 2..=BATCH_ROWS_MAX;

/// How long the first of them waits for others, in milliseconds.
pub const BATCH_WAIT_MS: RangeInclusive<u64> = 0..=BATCH_WAIT_MS_MAX;

/// The keys of a model.
pub(super) static MODEL: &[Key] = &[
    key(
        "file",
        "The model's file, in the format ONNX, relative to the folder of this file. A model has a `file` or a `provider`.",
        Shape::Text,
        Otherwise::Nothing,
    ),
    key(
        "batch",
        "Rows of one run at most: questions that wait at the same time are joined to that. Without it each is asked alone.",
        Shape::Integer(BATCH_ROWS),
        Otherwise::Nothing,
    ),
    key(
        "batch_wait",
        "How long the first question waits for others, though a worker is free: at most 1s; not at all without it.",
        Shape::Duration,
        Otherwise::Nothing,
    ),
    key(
        "provider",
        "Who runs it elsewhere: a table of `llm.providers` of the kind `sagemaker`.",
        Shape::Name,
        Otherwise::Nothing,
    ),
    key("endpoint", "The name of its real-time endpoint there.", Shape::Text, Otherwise::Nothing),
    key(
        "payload",
        "How tensors are said to it: `v2`, the Open Inference Protocol in JSON; or `csv`, rows of numbers. `v2` where it is not said.",
        Shape::Choice(&Payload::NAMES),
        Otherwise::Nothing,
    ),
];

/// Where a model of a tenant is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnModelConfig {
    /// In a file.
    File {
        /// Which, relative to the configuration's folder.
        file: String,
        /// Where the file is named, for mistakes found in it.
        file_span: Range<usize>,
        /// How questions to it are asked together, and where that is said.
        batch: Option<(Batch, Range<usize>)>,
    },
    /// Somewhere else.
    Endpoint(EndpointConfig),
}

/// A model that somebody runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointConfig {
    /// Who.
    pub name: ProviderName,
    /// And what is said of them.
    pub provider: ProviderConfig,
    /// What it is called there.
    pub endpoint: String,
    /// How tensors are said to it.
    pub payload: Payload,
}

/// Reads all of them.
pub(super) fn read(table: &Table<'_>, known: &LlmConfig, sink: &Sink) -> BTreeMap<ModelName, OwnModelConfig> {
    let mut models = BTreeMap::new();
    for (name, table) in table.named::<ModelName>("models") {
        let batch = read_batch(&table, sink);
        let elsewhere = ["provider", "endpoint", "payload"].into_iter().find(|key| table.value(key).is_some());
        let read = match (table.value("file").is_some(), elsewhere) {
            (true, Some(key)) => {
                let span = table.value_span(key).unwrap_or(table.span.clone());
                let message = format!("{} has both a `file` and a `{key}`", table.what());
                sink.report(span, message, "leave the `file` out where somebody else runs the model");
                None
            }
            (false, Some(_)) => {
                if let Some((_, span)) = batch {
                    let message = format!("{} has a `batch`, and its runs are not the host's", table.what());
                    sink.report(span, message, "leave it out: whoever runs the model joins questions there");
                }
                read_endpoint(&table, known, sink).map(OwnModelConfig::Endpoint)
            }
            (true, None) => table
                .parsed::<String>("file")
                .map(|Found { value: file, span: file_span }| OwnModelConfig::File { file, file_span, batch }),
            (false, None) => {
                table.missing("file", "name the file of a model: file = \"fraud.onnx\"");
                None
            }
        };
        models.extend(read.map(|model| (name, model)));
    }
    models
}

fn read_batch(table: &Table<'_>, sink: &Sink) -> Option<(Batch, Range<usize>)> {
    let wait_ms = table.duration_between("batch_wait", BATCH_WAIT_MS);
    let Some(span) = table.value_span("batch") else {
        if let Some(span) = table.value_span("batch_wait") {
            sink.report(
                span,
                "a `batch_wait` without a `batch` is for nothing",
                "say how many rows a run has: batch = 32",
            );
        }
        return None;
    };
    let wait = Duration::from_millis(wait_ms.unwrap_or(0));
    Some((Batch { rows: table.integer("batch")?, wait }, span))
}

fn read_endpoint(table: &Table<'_>, known: &LlmConfig, sink: &Sink) -> Option<EndpointConfig> {
    if table.value("provider").is_none() {
        table.missing("provider", "name a table below `llm.providers` of the kind `sagemaker`");
    }
    if table.value("endpoint").is_none() {
        table.missing("endpoint", "say what it is called there: endpoint = \"fraud\"");
    }
    let payload = table.parsed::<Payload>("payload").map_or(Payload::V2, |found| found.value);
    let named = table.parsed::<ProviderName>("provider");
    let endpoint = table.parsed_by("endpoint", |text| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let fine = !text.is_empty() && text.len() <= ENDPOINT_BYTES_MAX && text.bytes().all(letter);
        if fine { Ok(text.to_owned()) } else { Err(format!("`{text}` is no name of an endpoint")) }
    });
    let Found { value: name, span } = named?;
    match known.providers.get(&name) {
        Some(provider) if provider.kind == Protocol::SageMaker => {
            Some(EndpointConfig { name, provider: provider.clone(), endpoint: endpoint?.value, payload })
        }
        Some(_) => {
            let message = format!("the provider `{name}` runs no models that are asked with tensors");
            sink.report(span, message, "name one of the kind `sagemaker`");
            None
        }
        None => {
            let of_kind = known.providers.iter().filter(|(_, provider)| provider.kind == Protocol::SageMaker);
            let message = format!("there is no provider `{name}`");
            let help = format!("add a table `llm.providers.{name}` of the kind `sagemaker`");
            sink.report_unknown(span, message, name.as_str(), of_kind.map(|(name, _)| name.as_str()), help);
            None
        }
    }
}
