//! Plugins in use: which release an attempt is made with, what it may use and consume. And the shelf of releases that are ready.
//!
//! Invariant: an attempt keeps the release that it began with; a change of channels is met by the next one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use wharf_catalog::{Channels, PluginObject};
use wharf_delivery::{BreakerDocument, LimitsDocument, PluginDocument};
use wharf_event::{ChannelName, Digest, GrantBounds, Grants, PluginName};
use wharf_runtime::{IdleSet, Reuse};

use crate::{
    handler::{Handler, Takes},
    registering::PluginError,
    rules::Origin,
    transform::Transform,
};

/// Something that is ready to be called.
#[derive(Clone)]
pub enum Callable {
    /// It handles events.
    Handler(Arc<dyn Handler>),
    /// It changes events.
    Transform(Arc<dyn Transform>),
}

/// Releases that are ready to be called, by their digest. Clones are one and the same shelf.
#[derive(Clone, Default)]
pub struct Shelf(Arc<RwLock<HashMap<Digest, Callable>>>);

impl Shelf {
    /// Puts a release on it.
    pub fn put(&self, release: Digest, callable: Callable) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(release, callable);
    }

    /// A release that is on it.
    #[must_use]
    pub fn get(&self, release: &Digest) -> Option<Callable> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(release).cloned()
    }

    /// Takes off it what is not wanted any more. Who uses it keeps it as long as that takes.
    pub fn keep(&self, wanted: impl Fn(&Digest) -> bool) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|release, _| wanted(release));
    }
}

/// A plugin, ready to be called.
pub struct Plugin {
    /// Its config table.
    pub config: Arc<BTreeMap<String, String>>,
    /// What it may consume.
    pub limits: LimitsDocument,
    /// When it is given a rest.
    pub breaker: Option<BreakerDocument>,
    /// Where it was made.
    pub origin: Origin,
    /// Instances of it that wait for their next attempt or request.
    idle: Arc<IdleSet>,
    serving: Serving,
}

/// Which release an attempt is made with.
enum Serving {
    /// Always this one.
    One(Arc<dyn Handler>, Arc<Grants>),
    /// What the channels say. All releases that they name are there, each with what it may use.
    Channels { channels: Channels, handlers: HashMap<Digest, (Arc<dyn Handler>, Arc<Grants>)> },
}

/// The release of an attempt.
pub(crate) struct Picked {
    pub(crate) handler: Arc<dyn Handler>,
    /// What it may use, but for the operator's ceiling.
    pub(crate) grants: Arc<Grants>,
    /// Since when a release is on trial beside others, if one is.
    pub(crate) trial: Option<u64>,
}

impl Picked {
    /// What it may use: the operator's ceiling may be lower than when it was granted.
    pub(crate) fn granted(&self, ceiling: &GrantBounds) -> Arc<Grants> {
        if ceiling.is_open() { Arc::clone(&self.grants) } else { Arc::new(ceiling.within(&self.grants)) }
    }
}

impl Plugin {
    /// How its instances live on for so many calls each; none does for one.
    pub(crate) fn reuse(&self, most: u32) -> Option<Reuse> {
        (most > 1).then(|| Reuse { idle: Arc::clone(&self.idle), most })
    }

    /// A plugin of the configuration.
    pub(crate) fn of_file(from: &PluginDocument, handler: Arc<dyn Handler>) -> Self {
        Self {
            config: Arc::new(from.config.clone()),
            limits: from.limits,
            breaker: from.breaker,
            origin: Origin::File,
            idle: Arc::default(),
            // What the file grants is what it asks for.
            serving: Serving::One(handler, Arc::new(from.grants.clone())),
        }
    }

    /// A plugin that is a control object.
    ///
    /// # Errors
    /// When a release of its channels is missing on the shelf, or is no handler.
    pub(crate) fn of_object(
        name: &PluginName,
        from: &PluginObject,
        channels: &Channels,
        shelf: &Shelf,
    ) -> Result<Self, PluginError> {
        let mut handlers = HashMap::new();
        for release in channels.releases() {
            let handler = match shelf.get(&release) {
                Some(Callable::Handler(handler)) => handler,
                Some(Callable::Transform(_)) => return Err(PluginError::Kind(release)),
                None => return Err(PluginError::Release(release)),
            };
            let grants = Arc::new(handler.needs().of_plugin(name).within(&from.grants));
            handlers.insert(release, (handler, grants));
        }
        let mut takes = handlers.values().map(|(handler, _): &(Arc<dyn Handler>, _)| handler.takes());
        if let Some(first) = takes.next()
            && takes.any(|other| other != first)
        {
            return Err(PluginError::Takes);
        }
        Ok(Self {
            config: Arc::new(from.config.clone()),
            limits: from.limits,
            breaker: from.breaker,
            origin: Origin::Object,
            idle: Arc::default(),
            serving: Serving::Channels { channels: channels.clone(), handlers },
        })
    }

    /// Whether it is the same as another one to whoever calls it: the same releases with the same traffic, settings and grants.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        let serving = match (&self.serving, &other.serving) {
            (Serving::One(one, grants), Serving::One(other, others)) => {
                one.digest() == other.digest() && grants == others
            }
            (
                Serving::Channels { channels, handlers },
                Serving::Channels { channels: others, handlers: other_handlers },
            ) => {
                let granted = |(release, (_, grants)): (&Digest, &(_, Arc<Grants>))| {
                    other_handlers.get(release).is_some_and(|(_, others)| grants == others)
                };
                channels == others && handlers.iter().all(granted)
            }
            _ => false,
        };
        serving && self.config == other.config && self.limits == other.limits && self.breaker == other.breaker
    }

    /// What it is called with: all of its releases are alike.
    #[must_use]
    pub fn takes(&self) -> Takes {
        let first = match &self.serving {
            Serving::One(handler, _) => Some(handler),
            Serving::Channels { handlers, .. } => handlers.values().next().map(|(handler, _)| handler),
        };
        first.map_or(Takes::Events, |handler| handler.takes())
    }

    /// Whether it has a channel.
    pub(crate) fn has_channel(&self, channel: &ChannelName) -> bool {
        match &self.serving {
            Serving::One(..) => channel.as_str() == "stable",
            Serving::Channels { channels, .. } => channels.named(channel).is_ok(),
        }
    }

    /// The release of an attempt: `key` names the delivery, or what is always to be handled by one release. What is for a channel says nothing of a
    /// release on trial.
    pub(crate) fn pick(&self, channel: Option<&ChannelName>, key: &[u8], is_first: bool) -> Option<Picked> {
        match &self.serving {
            Serving::One(handler, grants) => {
                Some(Picked { handler: Arc::clone(handler), grants: Arc::clone(grants), trial: None })
            }
            Serving::Channels { channels, handlers } if let Some(channel) = channel => {
                let (handler, grants) = handlers.get(&channels.named(channel).ok()?)?;
                Some(Picked { handler: Arc::clone(handler), grants: Arc::clone(grants), trial: None })
            }
            Serving::Channels { channels, handlers } => {
                let (handler, grants) = handlers.get(&channels.pick(key, is_first).release)?;
                let trial = channels.canary().map(|canary| canary.since_ms);
                Some(Picked { handler: Arc::clone(handler), grants: Arc::clone(grants), trial })
            }
        }
    }

    /// Its channels, where it has such.
    #[must_use]
    pub fn channels(&self) -> Option<&Channels> {
        match &self.serving {
            Serving::One(..) => None,
            Serving::Channels { channels, .. } => Some(channels),
        }
    }

    /// Releases that it may be called with.
    pub fn releases(&self) -> impl Iterator<Item = Digest> + '_ {
        let (one, many) = match &self.serving {
            Serving::One(handler, _) => (Some(handler.digest()), None),
            Serving::Channels { handlers, .. } => (None, Some(handlers.keys().copied())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}
