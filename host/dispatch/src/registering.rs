//! Plugins that are control objects, put into a tenant's rule set or taken out of it.
//!
//! Invariant: a rule never names a plugin that is not there, or one of the wrong kind: a change that would make it so is refused.

use std::sync::Arc;

use bytes::Bytes;
use wharf_catalog::PluginObject;
use wharf_delivery::ObjectName;
use wharf_event::{Code, Digest, PluginName, RuleName};

use crate::{
    handler::Takes,
    plugins::{Callable, Plugin, Shelf},
    rules::{Origin, Rule, Tenant},
    transform::Step,
};

/// A plugin that cannot be put to use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    /// The document is none of a plugin.
    #[error("{0}")]
    Document(String),
    /// It stands in the configuration file, which is the only place where it changes.
    #[error("it stands in the configuration file: change it there, and start the host again")]
    OfFile,
    /// A release that its channels name is not ready.
    #[error("its release {0} is not ready")]
    Release(Digest),
    /// A release beside the stable one is no handler.
    #[error("its release {0} is a transform and the stable one a handler, which cannot share the events of one rule")]
    Kind(Digest),
    /// Its releases are called with different things.
    #[error(
        "of its releases some handle single events, some batches of a queue or requests of routes, which nothing can choose between"
    )]
    Takes,
    /// A transform has one release at a time.
    #[error("it is a transform, which has one release at a time: promote the other one")]
    TransformChannels,
    /// A rule needs it as it is.
    #[error("the {} `{}` names it", .0.told().0, .0.told().1)]
    InUse(RuleName),
}

impl PluginError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Document(_) => Code::PluginInvalid,
            Self::Kind(_) | Self::Takes | Self::TransformChannels => Code::ChannelInvalid,
            Self::OfFile => Code::PluginOfFile,
            Self::Release(_) => Code::ReleaseUnready,
            Self::InUse(_) => Code::PluginInUse,
        }
    }
}

impl Tenant {
    pub(crate) fn change_plugin(
        &mut self,
        name: &ObjectName,
        document: Option<&Bytes>,
        shelf: &Shelf,
    ) -> Result<(), PluginError> {
        let name: PluginName =
            name.as_str().parse().map_err(|_| PluginError::Document("its name is none".to_owned()))?;
        let (was_handler, was_transform) = (self.plugins.get(&name), self.transforms.get(&name));
        let origin = was_handler.map(|plugin| plugin.origin).or(was_transform.map(|step| step.origin()));
        if origin == Some(Origin::File) {
            return Err(PluginError::OfFile);
        }
        let document = document.map(|text| serde_json::from_slice::<PluginObject>(text)).transpose();
        let document = document.map_err(|error| PluginError::Document(error.to_string()))?;
        let (handler, transform) = match &document {
            Some(document) => ready(&name, document, shelf)?,
            None => (None, None),
        };
        let targeted = |rule: &Rule| rule.targets.iter().any(|target| target.to.plugin() == Some(&name));
        match &handler {
            Some(after) => self.unused(|rule| {
                let mut here = rule.targets.iter().filter(|target| target.to.plugin() == Some(&name));
                after.takes() != Takes::Events && here.clone().next().is_some()
                    || here.any(|target| target.channel.as_ref().is_some_and(|channel| !after.has_channel(channel)))
            })?,
            None if was_handler.is_some() => self.unused(targeted)?,
            None => {}
        }
        if was_transform.is_some() && transform.is_none() {
            self.unused(|rule| rule.transforms.contains(&name))?;
        }
        match handler {
            Some(plugin) => self.plugins.insert_mut(name.clone(), Arc::new(plugin)),
            None => _ = self.plugins.remove_mut(&name),
        }
        match transform {
            Some(step) => self.transforms.insert_mut(name, Arc::new(step)),
            None => _ = self.transforms.remove_mut(&name),
        }
        Ok(())
    }

    fn unused(&self, uses: impl Fn(&Rule) -> bool) -> Result<(), PluginError> {
        let user = self.rules.values().find(|rule| uses(rule));
        user.map_or(Ok(()), |rule| Err(PluginError::InUse(rule.name.clone())))
    }
}

/// What a plugin is by the kind of its stable release; neither as long as none was promoted.
fn ready(
    name: &PluginName,
    document: &PluginObject,
    shelf: &Shelf,
) -> Result<(Option<Plugin>, Option<Step>), PluginError> {
    let Some(channels) = &document.channels else { return Ok((None, None)) };
    let stable = channels.stable();
    match shelf.get(&stable).ok_or(PluginError::Release(stable))? {
        Callable::Transform(transform) => {
            if channels.releases().any(|release| release != stable) {
                return Err(PluginError::TransformChannels);
            }
            let step = Step::new((name.clone(), stable), transform, document.limits, Origin::Object);
            Ok((None, Some(step)))
        }
        Callable::Handler(_) => Ok((Some(Plugin::of_object(name, document, channels, shelf)?), None)),
    }
}
