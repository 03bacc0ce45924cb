//! Rules as the API shows them: what `wharf.toml` would have, with every default written out.

use serde_json::value::RawValue;
use wharf_delivery::{InputDocument, RetryPolicy, RuleDocument, TargetDocument};
use wharf_event::{Code, PluginAt, Position, RuleName};
use wharf_gateway::{
    Refusal,
    view::{RetryView, RuleOrigin, RuleView, TargetView, TransformerView},
};

use crate::config::duration_text;

/// A rule of the configuration file.
pub fn of_file(rule: &RuleName, document: &RuleDocument) -> Result<RuleView, Refusal> {
    view(rule, document, RuleOrigin::File, None)
}

/// A rule that the API made, of this version.
pub(super) fn of_api(rule: &RuleName, document: &RuleDocument, version: Position) -> Result<RuleView, Refusal> {
    view(rule, document, RuleOrigin::Api, Some(version))
}

/// About so many bytes has the view.
pub(super) fn bytes(rule: &RuleView) -> usize {
    let targets = rule.targets.iter().map(|target| {
        let paths =
            target.input_transformer.iter().flat_map(|input| &input.paths).map(|(name, path)| name.len() + path.len());
        let template = target.input_transformer.as_ref().map(|input| &input.template);
        let texts =
            [target.input_path.as_ref(), target.input.as_ref(), template].into_iter().flatten().map(String::len);
        let channel = target.plugin.channel.as_ref().map_or(0, |channel| channel.as_str().len());
        let names = channel + target.plugin.plugin.as_str().len() + target.dead_letter.as_str().len();
        names + texts.chain(paths).sum::<usize>()
    });
    let transforms = rule.transforms.iter().map(|transform| transform.as_str().len());
    rule.pattern.get().len() + rule.rule.as_str().len() + targets.sum::<usize>() + transforms.sum::<usize>()
}

fn view(
    rule: &RuleName,
    document: &RuleDocument,
    origin: RuleOrigin,
    version: Option<Position>,
) -> Result<RuleView, Refusal> {
    let RuleDocument { bus, pattern, transforms, targets, enabled } = document;
    let pattern = RawValue::from_string(pattern.as_str().to_owned());
    let pattern = pattern.map_err(|error| Refusal::new(Code::Internal, format!("a pattern is no JSON: {error}")))?;
    Ok(RuleView {
        rule: rule.clone(),
        bus: bus.clone(),
        origin,
        version,
        pattern,
        transforms: transforms.clone(),
        targets: targets.iter().map(target).collect(),
        enabled: *enabled,
    })
}

fn target(TargetDocument { plugin, channel, retry, dead_letter, input }: &TargetDocument) -> TargetView {
    let (input_path, input, input_transformer) = match input.clone() {
        None => (None, None, None),
        Some(InputDocument::Path(path)) => (Some(path), None, None),
        Some(InputDocument::Constant(text)) => (None, Some(text), None),
        Some(InputDocument::Transformer { paths, template }) => (None, None, Some(TransformerView { paths, template })),
    };
    let RetryPolicy { first_ms, max_ms, attempts, age_ms } = *retry;
    TargetView {
        plugin: PluginAt { plugin: plugin.clone(), channel: channel.clone() },
        retry: RetryView {
            first: duration_text(first_ms),
            max: duration_text(max_ms),
            attempts,
            age: duration_text(age_ms),
        },
        dead_letter: dead_letter.clone(),
        input_path,
        input,
        input_transformer,
    }
}
