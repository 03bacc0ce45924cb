//! Rules as the API shows them: what `wharf.toml` would have, with every default written out.

use serde_json::value::RawValue;
use wharf_delivery::{InputDocument, OutcomeRule, RetryPolicy, RuleDocument, TargetDocument};
use wharf_event::{BusName, Code, PluginAt, Position, RuleName};
use wharf_gateway::{
    Refusal,
    view::{OutcomeView, RetryView, RuleOrigin, RuleView, TargetView, TransformerView},
};

use crate::config::duration_text;

/// About so many bytes has what follows from an outcome.
const OUTCOME_BYTES: usize = 100;

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
    let targets = rule.targets.iter().map(target_bytes);
    let transforms = rule.transforms.iter().map(|transform| transform.as_str().len());
    rule.pattern.get().len() + rule.rule.as_str().len() + targets.sum::<usize>() + transforms.sum::<usize>()
}

/// About so many bytes has a target of one.
pub(super) fn target_bytes(target: &TargetView) -> usize {
    let paths =
        target.input_transformer.iter().flat_map(|input| &input.paths).map(|(name, path)| name.len() + path.len());
    let template = target.input_transformer.as_ref().map(|input| &input.template);
    let texts = [target.input_path.as_ref(), target.input.as_ref(), template].into_iter().flatten().map(String::len);
    let on = target.retry.iter().flat_map(|retry| &retry.on).map(|outcome| {
        let texts = [&outcome.code, &outcome.status, &outcome.reason].into_iter().flatten().map(String::len);
        OUTCOME_BYTES + texts.sum::<usize>()
    });
    let channel = |at: &PluginAt| at.channel.as_ref().map_or(0, |channel| channel.as_str().len());
    let plugin = target.plugin.as_ref().map_or(0, |at| channel(at) + at.plugin.as_str().len());
    let webhook = target.webhook.as_ref().map_or(0, |webhook| webhook.as_str().len());
    let queue = [&target.queue, &target.dead_letter].into_iter().flatten().map(|queue| queue.as_str().len());
    let bus = target.bus.as_ref().map_or(0, |bus| bus.as_str().len());
    let topic = target.topic.as_ref().map_or(0, |topic| topic.as_str().len());
    let names = plugin + webhook + queue.sum::<usize>() + bus + topic;
    on.sum::<usize>() + names + texts.chain(paths).sum::<usize>()
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

/// Who gets the events, with what is said of it.
pub fn target(
    TargetDocument { to, channel, retry, dead_letter, input, order_by, key_per_s }: &TargetDocument,
) -> TargetView {
    let envelope = *input == Some(InputDocument::Envelope);
    let (input_path, input, input_transformer) = match input.clone() {
        None | Some(InputDocument::Envelope) => (None, None, None),
        Some(InputDocument::Path(path)) => (Some(path), None, None),
        Some(InputDocument::Constant(text)) => (None, Some(text), None),
        Some(InputDocument::Transformer { paths, template }) => (None, None, Some(TransformerView { paths, template })),
    };
    let is_queue = to.queue().is_some();
    TargetView {
        plugin: to.plugin().map(|plugin| PluginAt { plugin: plugin.clone(), channel: channel.clone() }),
        webhook: to.webhook().cloned(),
        queue: to.queue().cloned(),
        bus: to.bus().filter(|bus| bus.is_plain()).cloned(),
        topic: to.bus().and_then(BusName::topic),
        retry: (!is_queue).then(|| policy(retry)),
        dead_letter: (!is_queue).then(|| dead_letter.clone()),
        order_by: order_by.clone(),
        key_per_s: *key_per_s,
        input_path,
        input,
        input_transformer,
        envelope,
    }
}

/// A retry policy.
fn policy(RetryPolicy { first_ms, max_ms, attempts, age_ms, backoff, jitter, on }: &RetryPolicy) -> RetryView {
    RetryView {
        backoff: backoff.as_str().to_owned(),
        jitter: jitter.as_str().to_owned(),
        first: duration_text(*first_ms),
        max: duration_text(*max_ms),
        attempts: *attempts,
        age: duration_text(*age_ms),
        on: on.iter().map(outcome).collect(),
    }
}

fn outcome(rule: &OutcomeRule) -> OutcomeView {
    OutcomeView {
        code: rule.code.as_ref().map(|glob| glob.as_str().to_owned()),
        status: rule.status.map(|statuses| statuses.to_string()),
        reason: rule.reason.as_ref().map(|glob| glob.as_str().to_owned()),
        then: rule.then.as_str().to_owned(),
        backoff: rule.backoff.map(|it| it.as_str().to_owned()),
        jitter: rule.jitter.map(|it| it.as_str().to_owned()),
        first: rule.first_ms.map(duration_text),
        max: rule.max_ms.map(duration_text),
        attempts: rule.attempts,
    }
}
