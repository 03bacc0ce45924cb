//! A model of a tenant as the log keeps it: its versions, and which of them answers whom. What stands in its files is not known here.
//!
//! Invariant: a version that answers is among those that are kept, and there are never more of those than may be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wharf_event::Digest;

use crate::{Baseline, Channels, limits::MODEL_VERSIONS_MAX};

/// The document of a control object: a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelObject {
    /// Which of its versions gets which questions; absent as long as none was promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Channels>,
    /// What its inputs are held against, whatever the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// How questions to it are asked together, whatever the version; absent where each is asked alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<ModelBatch>,
    /// Its versions, the newest last.
    pub versions: Vec<ModelVersion>,
}

/// How questions to a model are asked together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelBatch {
    /// Rows of one run at most.
    pub rows: u32,
    /// How long the first question waits for others, in milliseconds.
    pub wait_ms: u64,
}

/// A version of a model: a file that was uploaded and found fit to be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelVersion {
    /// The digest of its file.
    pub digest: Digest,
    /// Bytes of its file.
    pub bytes: u64,
    /// When it was uploaded: frame time, in milliseconds since 1970.
    pub at_ms: u64,
    /// What whoever uploaded it calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What whoever uploaded it says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its nodes.
    pub nodes: u32,
    /// The version of ONNX's operators that it is for.
    pub opset: u32,
    /// What made it, as it says.
    pub producer: String,
    /// What goes in, such as `x: f32[N, 3]`.
    pub inputs: Vec<String>,
    /// What comes out.
    pub outputs: Vec<String>,
    /// Whether questions to it can be joined. Absent where nobody looked for that, as it is of models without a `batch`; then they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joining: Option<Joining>,
}

/// Whether questions to a version of a model can be joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Joining {
    /// By their rows, as far as its file says.
    Rows,
    /// Not at all, and why.
    Alone(String),
}

impl ModelObject {
    /// One of its versions.
    #[must_use]
    pub fn version(&self, digest: &Digest) -> Option<&ModelVersion> {
        self.versions.iter().find(|version| version.digest == *digest)
    }

    /// The versions whose questions are joined.
    pub fn joined(&self) -> impl Iterator<Item = Digest> {
        let joined = self.versions.iter().filter(|version| version.joining == Some(Joining::Rows));
        joined.filter(|_| self.batch.is_some()).map(|version| version.digest)
    }

    /// Has questions asked together from now on, or each alone; whether that changes anything. What was found out of versions of which nothing is known
    /// yet is `looked`. Nothing is kept of that without a `batch`, so that the record is again one that hosts of before read.
    pub fn join(&mut self, batch: Option<ModelBatch>, looked: &BTreeMap<Digest, Joining>) -> bool {
        let mut changed = std::mem::replace(&mut self.batch, batch) != batch;
        for version in &mut self.versions {
            let joining = match (batch, &version.joining) {
                (None, _) => None,
                (Some(_), Some(known)) => Some(known.clone()),
                (Some(_), None) => looked.get(&version.digest).cloned(),
            };
            changed |= std::mem::replace(&mut version.joining, joining.clone()) != joining;
        }
        changed
    }

    /// Whether a version takes an input of that name; without a name it is the only one.
    #[must_use]
    pub fn takes(&self, input: &str) -> bool {
        let is_it = |port: &String| port.strip_prefix(input).is_some_and(|rest| rest.starts_with(": "));
        self.versions.iter().any(|version| match input {
            "" => version.inputs.len() == 1,
            _ => version.inputs.iter().any(is_it),
        })
    }

    /// The version that a promotion without one means: that on trial, else the newest.
    #[must_use]
    pub fn next(&self) -> Option<Digest> {
        let canary = self.channels.as_ref().and_then(Channels::canary).map(|canary| canary.release);
        canary.or_else(|| self.newest())
    }

    /// The version that came last.
    #[must_use]
    pub fn newest(&self) -> Option<Digest> {
        self.versions.last().map(|newest| newest.digest)
    }

    /// A version that answers and is not kept, where something was gone back to that went.
    #[must_use]
    pub fn missing(&self) -> Option<Digest> {
        self.channels.iter().flat_map(Channels::releases).find(|named| self.version(named).is_none())
    }

    /// Adds a version, and gives those that go for it, where there are too many: first the oldest that never answered, then those that did so longest
    /// ago. What answers now stays.
    pub fn add(&mut self, version: ModelVersion) -> Vec<Digest> {
        self.versions.retain(|known| known.digest != version.digest);
        self.versions.push(version);
        let mut gone = Vec::new();
        while self.versions.len() > MODEL_VERSIONS_MAX {
            let others = self.versions.iter().rev().skip(1).rev().map(|known| known.digest);
            let spare = others.filter(|digest| !self.answers(digest));
            // Of several that never answered the oldest is the first.
            let Some(least) = spare.min_by_key(|digest| self.last_told(digest)) else { break };
            self.versions.retain(|known| known.digest != least);
            gone.push(least);
        }
        gone
    }

    /// Whether some question gets it now.
    fn answers(&self, digest: &Digest) -> bool {
        self.channels.iter().flat_map(Channels::releases).any(|named| named == *digest)
    }

    /// The place in the history where a version is told of last.
    fn last_told(&self, digest: &Digest) -> Option<usize> {
        self.channels.as_ref()?.history().iter().rposition(|entry| entry.action.release() == *digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cause;

    fn digest(n: usize) -> Digest {
        Digest::of(&n.to_be_bytes())
    }

    fn version(n: usize) -> ModelVersion {
        ModelVersion {
            digest: digest(n),
            bytes: 1,
            at_ms: n as u64,
            version: None,
            message: None,
            nodes: 1,
            opset: 17,
            producer: String::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            joining: None,
        }
    }

    #[test]
    fn questions_are_joined_where_somebody_looked_and_set_it_and_a_record_without_is_as_it_was_before() {
        let before = format!(
            r#"{{"versions":[{{"digest":"{}","bytes":1,"at_ms":0,"nodes":1,"opset":17,"producer":"","inputs":[],"outputs":[]}}]}}"#,
            digest(0)
        );
        let mut model: ModelObject = serde_json::from_str(&before).unwrap();
        model.add(version(1));
        model.add(version(2));
        let without = serde_json::to_string(&model).unwrap();
        let joined = |model: &ModelObject| model.joined().collect::<Vec<_>>();
        let batch = Some(ModelBatch { rows: 8, wait_ms: 2 });
        let alone = || Joining::Alone("it is fixed".to_owned());
        assert!(model.join(batch, &BTreeMap::from([(digest(1), Joining::Rows), (digest(2), alone())])));
        assert_eq!(joined(&model), [digest(1)], "nobody looked at the first one");
        assert_eq!(serde_json::from_str::<ModelObject>(&serde_json::to_string(&model).unwrap()).unwrap(), model);
        let known = [(digest(0), Joining::Rows), (digest(1), alone())];
        assert!(model.join(batch, &BTreeMap::from(known.clone())));
        assert_eq!(joined(&model), [digest(0), digest(1)], "what is known stays");
        assert!(!model.join(batch, &BTreeMap::from(known)), "nothing is new");
        assert!(model.join(None, &BTreeMap::new()));
        assert_eq!((serde_json::to_string(&model).unwrap(), joined(&model)), (without, vec![]));
    }

    #[test]
    fn inputs_are_known_by_their_names() {
        let mut model = ModelObject::default();
        model.add(ModelVersion { inputs: vec!["x: f32[N, 3]".to_owned()], ..version(0) });
        assert!(["x", ""].iter().all(|input| model.takes(input)) && !model.takes("y") && !model.takes("x: f32[N"));
        model.versions[0].inputs.push("y: i64[1]".to_owned());
        assert!(model.takes("y") && !model.takes(""), "of two none is the only one");
    }

    #[test]
    fn what_never_answered_goes_first_and_what_answers_never() {
        let mut model = ModelObject::default();
        assert!(model.add(version(0)).is_empty());
        model.channels = Some(Channels::new(digest(0), 0, ""));
        for n in 1..MODEL_VERSIONS_MAX {
            assert!(model.add(version(n)).is_empty());
        }
        assert!(model.add(version(5)).is_empty(), "it is there");
        model.channels.as_mut().unwrap().promote(digest(2), 1, Cause::Request, "").unwrap();
        let never: Vec<_> = (100..119).flat_map(|n| model.add(version(n))).collect();
        let wanted = [1, 3, 4].into_iter().chain(6..MODEL_VERSIONS_MAX).chain([5, 100]);
        assert_eq!(never, wanted.map(digest).collect::<Vec<_>>());
        assert!(model.version(&digest(0)).is_some(), "it may be gone back to");
        assert_eq!((model.missing(), model.versions.len()), (None, MODEL_VERSIONS_MAX));
    }

    #[test]
    fn there_are_never_more_versions_than_may_be_though_all_have_answered() {
        let mut model = ModelObject::default();
        model.add(version(0));
        model.channels = Some(Channels::new(digest(0), 0, ""));
        for n in 1..60 {
            let gone = model.add(version(n));
            assert_eq!(gone, (n >= MODEL_VERSIONS_MAX).then(|| digest(n - MODEL_VERSIONS_MAX)).as_slice());
            model.channels.as_mut().unwrap().promote(digest(n), 1, Cause::Request, "").unwrap();
        }
        let back = |model: &mut ModelObject, to: Option<Digest>| {
            let rolled = model.channels.as_mut().unwrap().roll_back(to, 1, Cause::Request, "");
            (rolled.is_ok(), model.missing())
        };
        assert_eq!(back(&mut model, None), (true, None));
        assert_eq!(back(&mut model, Some(digest(1))), (true, Some(digest(1))));
        let text = serde_json::to_string(&model).unwrap();
        assert_eq!(serde_json::from_str::<ModelObject>(&text).unwrap(), model);
    }

    #[test]
    fn the_next_version_is_that_on_trial_or_else_the_newest() {
        let mut model = ModelObject::default();
        assert_eq!(model.next(), None);
        for n in 0..3 {
            model.add(version(n));
        }
        assert_eq!(model.next(), Some(digest(2)));
        let mut channels = Channels::new(digest(0), 0, "");
        let wish =
            crate::CanaryWish { release: digest(1), share: "10%".parse().unwrap(), for_ms: None, abort_on: Vec::new() };
        channels.try_out(wish, 1, "").unwrap();
        model.channels = Some(channels);
        assert_eq!((model.next(), model.newest()), (Some(digest(1)), Some(digest(2))));
    }
}
