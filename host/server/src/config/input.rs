//! What a target gets in place of an event's payload: one of three keys, read and checked as a whole.

use std::collections::BTreeMap;

use wharf_delivery::InputDocument;
use wharf_dispatch::compile_input;
use wharf_event::Code;
use wharf_input::InputPlace;

use super::table::{Sink, Table};

/// The keys that exclude each other.
const KEYS: [&str; 3] = ["input_path", "input", "input_transformer"];

/// The input of a target; nothing if it has none, or one with mistakes.
pub(super) fn read(target: &Table<'_>, sink: &Sink) -> Option<InputDocument> {
    let mut written = KEYS.into_iter().filter_map(|key| Some((key, target.value_span(key)?)));
    let first = written.next();
    for (key, span) in written {
        let other = first.as_ref().map_or("", |(other, _)| other);
        let message = format!("{} has `{key}` beside `{other}`", target.what());
        sink.report(
            span,
            message,
            "a target has one of `input_path`, `input` and `input_transformer`: remove the others",
        );
    }
    let path = target.parsed::<String>("input_path").map(|path| InputDocument::Path(path.value));
    let constant = target.parsed::<String>("input").map(|text| InputDocument::Constant(text.value));
    let transformer = target.table("input_transformer");
    let template = transformer.as_ref().and_then(read_transformer);
    let documents = [path, constant, template];
    for document in documents.iter().flatten() {
        check(document, target, transformer.as_ref(), sink);
    }
    documents.into_iter().flatten().next()
}

/// What a target orders events by; nothing where nothing is said, or none of a path.
pub(super) fn read_order(target: &Table<'_>, sink: &Sink) -> Option<String> {
    let path = target.parsed::<String>("order_by")?.value;
    let Err(errors) = compile_input(&InputDocument::Path(path.clone())) else { return Some(path) };
    for error in errors.iter() {
        let span = target.value_span("order_by").unwrap_or_default();
        sink.report_as(
            Code::InputInvalid,
            span,
            error.to_string(),
            "`wharf explain input-invalid` says how paths are written",
        );
    }
    None
}

fn read_transformer(table: &Table<'_>) -> Option<InputDocument> {
    let template = table.parsed::<String>("template");
    if table.value("template").is_none() {
        table.missing(
            "template",
            "add one, such as template = '{\"number\": <n>}' with paths = { n = \"$.data.number\" }",
        );
    }
    let paths: BTreeMap<_, _> = table.texts("paths").into_iter().map(|(name, path)| (name.to_owned(), path)).collect();
    Some(InputDocument::Transformer { paths, template: template?.value })
}

/// Reports each mistake where it is.
fn check(document: &InputDocument, target: &Table<'_>, transformer: Option<&Table<'_>>, sink: &Sink) {
    let Err(errors) = compile_input(document) else { return };
    for error in errors.iter() {
        let span = match &error.place {
            InputPlace::Path => target.value_span("input_path"),
            InputPlace::Constant => target.value_span("input"),
            InputPlace::Paths => transformer.and_then(|table| table.value_span("paths")),
            InputPlace::Variable(name) => transformer.and_then(|table| table.span_within("paths", name)),
            InputPlace::Template { .. } => transformer.and_then(|table| table.value_span("template")),
        };
        let help = "`wharf explain input-invalid` describes paths and templates";
        sink.report_as(Code::InputInvalid, span.unwrap_or_else(|| target.span.clone()), error, help);
    }
}
