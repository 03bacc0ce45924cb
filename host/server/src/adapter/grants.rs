//! Port: what plugins may use, and which releases wait for more.
//!
//! Invariant: whether a release waits is never stored. It follows from what it asks for, what its plugin is granted, and the operator's
//! ceiling, each as it is when somebody asks; so a grant makes it ready and its end makes it wait again.

use wharf_catalog::{Channels, PluginObject, ReleaseObject};
use wharf_delivery::{Object, ObjectKind, ObjectName};
use wharf_dispatch::rfc3339;
use wharf_event::{Asks, Code, Digest, GrantBounds, Grants, Missing, Position, SigningKeyName, TenantName};
use wharf_gateway::{
    PluginRef, Refusal,
    view::{Approval, GrantsDetail, WaitingView},
};
use wharf_signature::{Keys, Policy, Signature, Verified, check};

use super::{
    HostAdapter,
    registry::{broken, damaged, document, not_changed, unknown},
    was_read,
};

/// What a plugin's releases are held against.
#[derive(Default)]
pub(super) struct Standing {
    granted: Grants,
    /// What the stable release asks for.
    before: Asks,
    keys: Keys,
}

impl Standing {
    /// What a release asks for and may not use.
    pub(super) fn missing(&self, asks: &Asks) -> Missing {
        asks.missing(&self.granted)
    }

    /// The key that vouches for it, whether the tenant asks for one or not.
    pub(super) fn signed_by(&self, release: &Digest, signatures: &[String]) -> Option<SigningKeyName> {
        let signatures = Signature::list(&signatures.join("\n")).ok()?;
        match check(Policy::Require, &self.keys, release, &signatures) {
            Ok(Verified::By(name)) => Some(name),
            _ => None,
        }
    }

    /// What it asks for and the stable release does not.
    pub(super) fn new_in(&self, asks: &Asks) -> Missing {
        asks.since(&self.before)
    }
}

impl wharf_gateway::Granting for HostAdapter {
    async fn grants(&self, of: PluginRef) -> Result<GrantsDetail, Refusal> {
        if let Some(granted) = self.granted_by_file(&of)? {
            let ceiling = self.ceiling(&of.tenant);
            return Ok(GrantsDetail { plugin: of.plugin, version: None, granted, ceiling, waiting: Vec::new() });
        }
        let there = self.object(&of).await?.ok_or_else(|| unknown(&of))?;
        self.granted(&of, &document(&there)?, there.version).await
    }

    async fn approve(&self, of: PluginRef, wish: Approval) -> Result<GrantsDetail, Refusal> {
        self.regranted(&of, &Wish::Approve(wish)).await
    }

    async fn revoke(&self, of: PluginRef, less: Grants) -> Result<GrantsDetail, Refusal> {
        self.regranted(&of, &Wish::Revoke(less)).await
    }
}

/// A wish about grants.
enum Wish {
    Approve(Approval),
    Revoke(Grants),
}

impl HostAdapter {
    /// Refuses grants that the operator does not let the tenant make.
    pub(super) fn within_ceiling(&self, of: &PluginRef, grants: &Grants) -> Result<(), Refusal> {
        let beyond = self.ceiling(&of.tenant).beyond(grants).told();
        if beyond.is_empty() {
            return Ok(());
        }
        let detail = format!("the operator does not let tenant `{}` grant {}", of.tenant, beyond.join(", "));
        Err(Refusal::new(Code::GrantCeiling, detail))
    }

    fn ceiling(&self, tenant: &TenantName) -> GrantBounds {
        self.dispatcher.rules().settings(tenant).ceiling.clone()
    }

    /// What the releases of a plugin are held against.
    pub(super) async fn grant_standing(&self, of: &PluginRef, object: &PluginObject) -> Result<Standing, Refusal> {
        let granted = self.ceiling(&of.tenant).within(&object.grants);
        let stable = object.channels.as_ref().map(Channels::stable);
        let before = match stable {
            Some(stable) => self.recorded(of, stable).await?.map(|release| release.asks),
            None => None,
        };
        let (keys, _) = self.signers(&of.tenant).await?;
        Ok(Standing { granted, before: before.unwrap_or_default(), keys })
    }

    /// A release that is in the log.
    pub(super) async fn recorded(&self, of: &PluginRef, release: Digest) -> Result<Option<ReleaseObject>, Refusal> {
        let name = ObjectName::of_release(&of.plugin, &release);
        let read = |state: &_| Object::get(state, &of.tenant, ObjectKind::Release, &name);
        let object = was_read(self.dispatcher.read(read).await)?;
        let recorded = object.map(|object| serde_json::from_slice::<ReleaseObject>(&object.document)).transpose();
        let recorded = recorded.map_err(|error| damaged(&error))?;
        Ok(recorded.map(|release| ReleaseObject { asks: release.asks.of_plugin(&of.plugin), ..release }))
    }

    /// What a release asks for beside what is `named`: this one, or the newest that waits.
    async fn asked(
        &self,
        of: &PluginRef,
        object: &PluginObject,
        which: Option<Digest>,
        named: &Grants,
    ) -> Result<Grants, Refusal> {
        let mut standing = self.grant_standing(of, object).await?;
        let asks = match which {
            Some(release) => self.recorded(of, release).await?.map(|found| found.asks),
            None => self.waiting(of, &standing).await?.into_iter().next().map(|(_, _, found)| found.asks),
        };
        let asks = asks.ok_or_else(|| match which {
            Some(release) => {
                Refusal::new(Code::ReleaseUnknown, format!("plugin `{}` has no release {release}", of.plugin))
            }
            None => {
                Refusal::new(Code::ReleaseUnknown, format!("no release of plugin `{}` waits for a grant", of.plugin))
            }
        })?;
        standing.granted = standing.granted.with(named);
        let missing = standing.missing(&asks);
        if missing.unsaid.is_empty() {
            return Ok(missing.said);
        }
        let (kinds, options) = (missing.unsaid.join(" and "), missing.options());
        let detail = format!(
            "the release uses {kinds} and does not say what of it: name it, such as `wharf grant approve {}{options}`",
            of.plugin
        );
        Err(Refusal::new(Code::GrantUnsaid, detail))
    }

    /// The releases of a plugin that wait for a grant, the newest first.
    async fn waiting(
        &self,
        of: &PluginRef,
        standing: &Standing,
    ) -> Result<Vec<(ObjectName, Digest, ReleaseObject)>, Refusal> {
        let all = self.registry.releases(&of.tenant, &of.plugin).await.map_err(|error| broken(&error))?;
        let mut waiting: Vec<_> =
            all.into_iter().filter(|(_, _, release)| !standing.missing(&release.asks).is_empty()).collect();
        waiting.sort_by_key(|(_, digest, release)| (std::cmp::Reverse(release.at_ms), *digest));
        Ok(waiting)
    }

    async fn granted(&self, of: &PluginRef, object: &PluginObject, version: Position) -> Result<GrantsDetail, Refusal> {
        let standing = self.grant_standing(of, object).await?;
        let view = |(_, digest, release): (ObjectName, Digest, ReleaseObject)| WaitingView {
            release: digest,
            at: rfc3339(release.at_ms),
            version: release.version,
            missing: standing.missing(&release.asks).told(),
            new: standing.new_in(&release.asks).told(),
        };
        let waiting = self.waiting(of, &standing).await?.into_iter().map(view).collect();
        let (plugin, ceiling) = (of.plugin.clone(), self.ceiling(&of.tenant));
        Ok(GrantsDetail { plugin, version: Some(version), granted: object.grants.clone(), ceiling, waiting })
    }

    /// What a plugin is granted if this comes about.
    async fn regrant(&self, of: &PluginRef, object: &PluginObject, wish: &Wish) -> Result<Grants, Refusal> {
        match wish {
            Wish::Approve(Approval { release, publish, kv, http, secrets, llm, infer, hold }) => {
                let named = Grants {
                    publish: publish.clone(),
                    kv: kv.clone(),
                    http: http.clone(),
                    secrets: secrets.clone(),
                    llm: llm.clone(),
                    infer: infer.clone(),
                    hold: hold.clone(),
                };
                let asked = match (release, named.is_empty()) {
                    (None, false) => Grants::default(),
                    (release, _) => self.asked(of, object, *release, &named).await?,
                };
                let more = asked.with(&named);
                self.within_ceiling(of, &more)?;
                Ok(object.grants.with(&more))
            }
            Wish::Revoke(less) => {
                let held = &object.grants;
                // Somebody believes that it goes, and it would stay: a grant allows it that is more than it.
                let stays = |less: &Grants| held.without(less) == *held && held.missing(less).is_empty();
                if let Some(stays) = less.each().find(stays).or((held.without(less) == *held).then(|| less.clone())) {
                    let detail = format!("{stays} covers no grant of plugin `{}`, which has {held}", of.plugin);
                    return Err(Refusal::new(Code::QueryInvalid, detail));
                }
                Ok(object.grants.without(less))
            }
        }
    }

    async fn regranted(&self, of: &PluginRef, wish: &Wish) -> Result<GrantsDetail, Refusal> {
        self.not_of_file(of)?;
        wharf_gateway::Intake::ready(self)?;
        // Another change of it may come between: then it is looked at again.
        loop {
            let there = self.object(of).await?.ok_or_else(|| unknown(of))?;
            let mut object = document(&there)?;
            object.grants = self.regrant(of, &object, wish).await?;
            match self.put(of, &object, Some(there.version)).await {
                Ok(fate) => return self.granted(of, &object, fate.version().unwrap_or(there.version)).await,
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(not_changed(&error)),
            }
        }
    }
}
