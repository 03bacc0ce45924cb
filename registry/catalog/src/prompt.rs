//! A prompt of a tenant as the log keeps it: its versions, and which of them is given to whom. What stands in its templates is not known here.
//!
//! Invariant: a version never changes, and its number is never another's. One version is `stable`, and has all that a canary does not get;
//! a delivery gets the same version while nobody changes that.

use serde::{Deserialize, Serialize};
use wharf_event::{Digest, PromptName, RouteName, TenantName};

use crate::{Share, limits::PROMPT_VERSIONS_MAX};

/// What a version of a prompt says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptDocument {
    /// The route by which models are asked with it.
    pub route: RouteName,
    /// A template of what holds for all of a conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// A template of what the user says.
    pub user: String,
}

/// A version of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptVersion {
    /// Its number, from 1.
    pub version: u32,
    /// When it came, in milliseconds since 1970.
    pub at_ms: u64,
    /// What it says.
    pub prompt: PromptDocument,
}

/// A version that a part of the deliveries get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptCanary {
    /// Which.
    pub version: u32,
    /// Its share of the deliveries.
    pub share: Share,
}

/// The document of a control object: a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptObject {
    /// Its versions, the newest last.
    pub versions: Vec<PromptVersion>,
    /// The version that whoever is no canary gets.
    pub stable: u32,
    /// The version that some get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<PromptCanary>,
    /// Versions that were stable, the last of them last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<u32>,
}

/// Why a prompt stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptError {
    /// It has no version of that number any more, or not yet.
    #[error("it has no version {0}")]
    Unknown(u32),
    /// Nothing was stable before.
    #[error("no version was stable before")]
    First,
    /// A canary of that version has no meaning.
    #[error("version {0} is stable already")]
    Stable(u32),
}

impl PromptObject {
    /// A prompt with its first version, which is stable.
    #[must_use]
    pub fn new(prompt: PromptDocument, at_ms: u64) -> Self {
        let first = PromptVersion { version: 1, at_ms, prompt };
        Self { versions: vec![first], stable: 1, canary: None, before: Vec::new() }
    }

    /// Adds a version, which nobody gets yet, and gives its number: that of the newest where it says the same. The oldest that has no part in anything
    /// goes where there are too many.
    pub fn put(&mut self, prompt: PromptDocument, at_ms: u64) -> u32 {
        let newest = self.versions.last().map_or(0, |newest| newest.version);
        if self.versions.last().is_some_and(|newest| newest.prompt == prompt) {
            return newest;
        }
        let version = newest.saturating_add(1);
        self.versions.push(PromptVersion { version, at_ms, prompt });
        while self.versions.len() > PROMPT_VERSIONS_MAX {
            let (stable, canary) = (self.stable, self.canary.map(|canary| canary.version));
            let before = self.before.last().copied();
            let spare = |it: &PromptVersion| {
                it.version != stable
                    && Some(it.version) != canary
                    && Some(it.version) != before
                    && it.version != version
            };
            let Some(at) = self.versions.iter().position(spare) else { break };
            let gone = self.versions.remove(at).version;
            self.before.retain(|it| *it != gone);
        }
        version
    }

    /// Gives a version to all: that one, else the canary's, else the newest.
    ///
    /// # Errors
    /// When there is none of that number.
    pub fn promote(&mut self, version: Option<u32>) -> Result<u32, PromptError> {
        let newest = self.versions.last().map_or(0, |newest| newest.version);
        let version = version.or(self.canary.map(|canary| canary.version)).unwrap_or(newest);
        self.version(version).ok_or(PromptError::Unknown(version))?;
        if version != self.stable {
            self.before.retain(|it| *it != self.stable && *it != version);
            self.before.push(self.stable);
            self.stable = version;
        }
        self.canary = None;
        Ok(version)
    }

    /// Gives a version to a part: that one, else the newest.
    ///
    /// # Errors
    /// When there is none of that number, or it is stable.
    pub fn try_on(&mut self, version: Option<u32>, share: Share) -> Result<u32, PromptError> {
        let newest = self.versions.last().map_or(0, |newest| newest.version);
        let version = version.unwrap_or(newest);
        self.version(version).ok_or(PromptError::Unknown(version))?;
        if version == self.stable {
            return Err(PromptError::Stable(version));
        }
        self.canary = Some(PromptCanary { version, share });
        Ok(version)
    }

    /// Ends a canary; where there is none, or a version is named, gives all to that version, else to the one that was stable before.
    ///
    /// # Errors
    /// When there is none to go back to.
    pub fn roll_back(&mut self, version: Option<u32>) -> Result<u32, PromptError> {
        if self.canary.is_some() && version.is_none() {
            self.canary = None;
            return Ok(self.stable);
        }
        let version = version.or(self.before.last().copied()).ok_or(PromptError::First)?;
        self.version(version).ok_or(PromptError::Unknown(version))?;
        self.canary = None;
        self.before.retain(|it| *it != version);
        self.stable = version;
        Ok(version)
    }

    /// The route by which models are asked with it: that of its stable version, and of the others.
    #[must_use]
    pub fn route(&self) -> Option<&RouteName> {
        self.version(self.stable).map(|it| &it.prompt.route)
    }

    /// The version of that number.
    #[must_use]
    pub fn version(&self, version: u32) -> Option<&PromptVersion> {
        self.versions.iter().find(|it| it.version == version)
    }

    /// The version that a delivery gets. Which deliveries a canary gets is another matter for each version of each prompt.
    #[must_use]
    pub fn of_delivery(&self, tenant: &TenantName, prompt: &PromptName, delivery: &str) -> Option<&PromptVersion> {
        let has = |canary: &PromptCanary| {
            let whose = Digest::of(format!("{tenant}/{prompt}/{}", canary.version).as_bytes());
            canary.share.has(&whose, delivery.as_bytes())
        };
        self.version(self.canary.filter(has).map_or(self.stable, |canary| canary.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(user: &str) -> PromptDocument {
        PromptDocument { route: "triage".parse().unwrap(), system: None, user: user.to_owned() }
    }

    fn share(text: &str) -> Share {
        text.parse().unwrap()
    }

    /// How many of a thousand deliveries get the first of two versions, and how many the second.
    fn shares(prompt: &PromptObject, versions: [u32; 2]) -> [usize; 2] {
        let (tenant, name) = ("acme".parse().unwrap(), "classify".parse().unwrap());
        let got: Vec<_> = (0..1_000)
            .map(|at| {
                let of = |delivery: &str| prompt.of_delivery(&tenant, &name, delivery).unwrap().version;
                assert_eq!(of(&format!("{at}-0.0")), of(&format!("{at}-0.0")));
                of(&format!("{at}-0.0"))
            })
            .collect();
        let count = |version| got.iter().filter(|it| **it == version).count();
        assert_eq!(versions.map(count).iter().sum::<usize>(), got.len());
        versions.map(count)
    }

    #[test]
    fn a_version_is_tried_on_a_part_then_given_to_all_and_taken_back() {
        let mut prompt = PromptObject::new(says("a"), 1);
        assert_eq!((prompt.put(says("a"), 2), prompt.put(says("b"), 3)), (1, 2));
        assert_eq!(shares(&prompt, [1, 2]), [1_000, 0]);
        assert_eq!(prompt.try_on(None, share("10%")), Ok(2));
        let tried = shares(&prompt, [1, 2])[1];
        assert!((60..140).contains(&tried), "{tried}");
        assert_eq!((prompt.roll_back(None), shares(&prompt, [1, 2])), (Ok(1), [1_000, 0]));
        prompt.try_on(Some(2), share("99%")).unwrap();
        prompt.put(says("c"), 4);
        assert_eq!((prompt.promote(None), shares(&prompt, [1, 2])), (Ok(2), [0, 1_000]));
        assert_eq!((prompt.promote(None), prompt.promote(Some(3))), (Ok(3), Ok(3)));
        assert_eq!((prompt.roll_back(None), prompt.roll_back(None)), (Ok(2), Ok(1)));
        assert_eq!(prompt.roll_back(None), Err(PromptError::First));
        assert_eq!((prompt.roll_back(Some(3)), prompt.stable), (Ok(3), 3));
    }

    #[test]
    fn a_wider_canary_has_all_that_it_had() {
        let mut prompt = PromptObject::new(says("a"), 1);
        prompt.put(says("b"), 2);
        let (tenant, name) = ("acme".parse().unwrap(), "classify".parse().unwrap());
        let mut with = |text: &str| -> Vec<usize> {
            prompt.try_on(Some(2), share(text)).unwrap();
            let gets = |at: &usize| prompt.of_delivery(&tenant, &name, &at.to_string()).unwrap().version == 2;
            (0..1_000).filter(gets).collect()
        };
        let (some, more) = (with("5%"), with("50%"));
        assert!(some.iter().all(|at| more.contains(at)) && some.len() < more.len(), "{some:?}");
    }

    #[test]
    fn what_cannot_be_changes_nothing() {
        let mut prompt = PromptObject::new(says("a"), 1);
        prompt.put(says("b"), 2);
        let before = prompt.clone();
        assert_eq!(prompt.promote(Some(7)), Err(PromptError::Unknown(7)));
        assert_eq!(prompt.try_on(Some(7), share("5%")), Err(PromptError::Unknown(7)));
        assert_eq!(prompt.try_on(Some(1), share("5%")), Err(PromptError::Stable(1)));
        assert_eq!(prompt.roll_back(Some(7)), Err(PromptError::Unknown(7)));
        assert_eq!(prompt, before);
    }

    #[test]
    fn the_oldest_versions_go_but_for_those_that_have_a_part_in_something() {
        let mut prompt = PromptObject::new(says("0"), 1);
        prompt.put(says("1"), 1);
        prompt.promote(None).unwrap();
        prompt.put(says("2"), 1);
        prompt.try_on(None, share("5%")).unwrap();
        for number in 3..100 {
            assert_eq!(prompt.put(says(&number.to_string()), 1), number + 1);
        }
        let kept: Vec<_> = prompt.versions.iter().map(|it| it.version).collect();
        assert_eq!((kept.len(), &kept[..4], kept.last()), (PROMPT_VERSIONS_MAX, &[1, 2, 3, 94][..], Some(&100)));
        assert_eq!(prompt.roll_back(Some(2)), Ok(2));
        assert_eq!(prompt.roll_back(None), Ok(1));
        let text = serde_json::to_string(&prompt).unwrap();
        assert_eq!(serde_json::from_str::<PromptObject>(&text).unwrap(), prompt);
    }
}
