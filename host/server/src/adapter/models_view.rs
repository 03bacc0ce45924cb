//! A tenant's models as the API shows them.

use wharf_catalog::{Canary, Channels, Joining, ModelObject, ModelVersion};
use wharf_delivery::Object;
use wharf_dispatch::rfc3339;
use wharf_event::{ChannelName, Digest, ModelName, Position};
use wharf_gateway::{
    ModelNote, ModelRef, Refusal,
    view::{ModelCanaryView, ModelDetail, ModelShadowView, ModelVersionView, ModelView, RuleOrigin},
};
use wharf_infer::{Batch, Description, Port, apart};

use super::{registry::damaged, registry_view::entry};
use crate::infer::{Asks, OwnModel, SHADOW, ShadowCounts};

/// Inputs and outputs of a model that are told.
const PORTS_TOLD_MAX: usize = 16;

/// Characters of each, and of who made it.
const TEXT_CHARS_MAX: usize = 120;

/// What a worker says of a file is text of whoever made that: it is cut, and controls no terminal.
pub(super) fn short(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(TEXT_CHARS_MAX).collect()
}

/// Whether questions to a model can be joined.
pub(super) fn joining(of: &Description) -> Joining {
    apart(of).map_or(Joining::Rows, |why| Joining::Alone(short(&why)))
}

/// A version as it is kept; `joins` where it is looked whether questions to it can be joined.
pub(super) fn made(digest: Digest, bytes: u64, note: ModelNote, (of, joins): (&Description, bool)) -> ModelVersion {
    let told = |ports: &[Port]| ports.iter().take(PORTS_TOLD_MAX).map(|port| short(&port.to_string())).collect();
    ModelVersion {
        digest,
        bytes,
        at_ms: 0,
        version: note.version,
        message: note.message,
        nodes: of.nodes,
        opset: of.opset,
        producer: short(&of.producer),
        inputs: told(&of.inputs),
        outputs: told(&of.outputs),
        joining: joins.then(|| joining(of)),
    }
}

pub(super) fn document(object: &Object) -> Result<ModelObject, Refusal> {
    serde_json::from_slice(&object.document).map_err(|error| damaged(&error))
}

pub(super) fn view(named: &ModelRef, of: &ModelObject, asks: &Asks) -> ModelView {
    let channels = of.channels.as_ref();
    let shadow = SHADOW.parse::<ChannelName>().ok().and_then(|shadow| channels?.named(&shadow).ok());
    ModelView {
        shadow: shadow.map(|version| {
            let ShadowCounts { same, differing, failed, left_out } =
                asks.shadows().of(&named.tenant, &named.model, version);
            ModelShadowView { version, same, differing, failed, left_out }
        }),
        model: named.model.clone(),
        origin: RuleOrigin::Api,
        stable: channels.map(Channels::stable),
        canary: channels.and_then(|channels| Some(canary(named, channels.canary()?, channels.stable(), asks))),
        batch: of.batch.map(|batch| batch.rows),
        batch_wait_ms: of.batch.map(|batch| batch.wait_ms),
    }
}

fn canary(of: &ModelRef, canary: &Canary, stable: Digest, asks: &Asks) -> ModelCanaryView {
    let releases = [canary.release, stable];
    let [on_canary, on_stable] = asks.trials().tallies(&of.tenant, &of.model, canary.since_ms, releases);
    ModelCanaryView {
        version: canary.release,
        share: canary.share.to_string(),
        since: rfc3339(canary.since_ms),
        until: canary.for_ms.map(|ms| rfc3339(canary.since_ms.saturating_add(ms))),
        abort_on: canary.abort_on.iter().map(ToString::to_string).collect(),
        questions: on_canary.attempts(),
        failures: on_canary.failures(),
        stable_questions: on_stable.attempts(),
        stable_failures: on_stable.failures(),
    }
}

pub(super) fn of_file_view(name: &ModelName, own: &OwnModel) -> ModelView {
    let wait_ms = |batch: Batch| u64::try_from(batch.wait.as_millis()).unwrap_or(u64::MAX);
    ModelView {
        model: name.clone(),
        origin: RuleOrigin::File,
        stable: Some(own.digest),
        canary: None,
        shadow: None,
        batch: own.batch.map(|batch| batch.rows),
        batch_wait_ms: own.batch.map(wait_ms),
    }
}

pub(super) fn of_file_version(own: &OwnModel) -> ModelVersionView {
    // Whether its questions can be joined is known of every file; it is told where it matters.
    let of = (&own.description, own.batch.is_some());
    let made = made(own.digest, own.bytes.len() as u64, ModelNote::default(), of);
    ModelVersionView { at: None, ..version_view(&made, own.batch.is_some()) }
}

/// A version of a model, which has a `batch` or has none.
pub(super) fn version_view(of: &ModelVersion, has_batch: bool) -> ModelVersionView {
    let alone = match &of.joining {
        _ if !has_batch => None,
        Some(Joining::Rows) => None,
        Some(Joining::Alone(why)) => Some(why.clone()),
        None => Some("nobody looked whether questions to it can be joined: set the model's `batch` again".to_owned()),
    };
    ModelVersionView {
        digest: of.digest,
        bytes: of.bytes,
        at: Some(rfc3339(of.at_ms)),
        version: of.version.clone(),
        message: of.message.clone(),
        nodes: of.nodes,
        opset: of.opset,
        producer: of.producer.clone(),
        inputs: of.inputs.clone(),
        outputs: of.outputs.clone(),
        alone,
    }
}

pub(super) fn detail(named: &ModelRef, of: &ModelObject, version: Position, asks: &Asks) -> ModelDetail {
    let history = of.channels.iter().flat_map(Channels::history).map(entry).collect();
    let versions = of.versions.iter().rev().map(|version| version_view(version, of.batch.is_some())).collect();
    ModelDetail { model: view(named, of, asks), version: Some(version), versions, history }
}
