//! Port: a tenant's prompts.
//!
//! Invariant: a version that is kept can be filled, as far as its templates say. A prompt of the configuration file is read here and never changed, and
//! stands before one of its name that was made here.

use wharf_catalog::{PromptDocument, PromptError, PromptObject, PromptVersion, Share, ShareError};
use wharf_delivery::{Expected as Taken, Object, ObjectFate, ObjectKind, ObjectName, ObjectWish};
use wharf_dispatch::rfc3339;
use wharf_event::{Code, Position, PromptName, TenantName};
use wharf_gateway::{
    PromptRef, Prompts, Put, Refusal,
    view::{PromptCanaryView, PromptDraft, PromptPromotion, PromptRollBack, PromptVersionView, PromptView, RuleOrigin},
};
use wharf_llm::Prompt;

use super::{HostAdapter, page::is_behind, tenants::not_changed, was_read};

/// Prompts of a tenant.
pub const PROMPTS_PER_TENANT_MAX: usize = 200;

/// Prompts that are read of the state at a time: each may have some hundred KiB.
const PROMPTS_PAGE: usize = 16;

impl Prompts for HostAdapter {
    async fn prompts(
        &self,
        tenant: &TenantName,
        after: Option<PromptName>,
        limit: u32,
    ) -> Result<Vec<PromptView>, Refusal> {
        self.known(tenant)?;
        let (models, limit) = (self.outside.models(), limit as usize);
        let behind = models.prompts(tenant).filter(|(name, _)| is_behind(*name, after.as_ref()));
        let mut all: Vec<_> = behind.map(|(name, document)| without_texts(of_file(name, document))).collect();
        let (mut last, mut found) = (after.as_ref().map(ObjectName::from), 0);
        while found < limit {
            let page = self.prompts_page(tenant, last.as_ref()).await?;
            let Some(end) = page.last() else { break };
            last = Some(end.name.clone());
            for object in &page {
                let name: PromptName = object.name.as_str().parse().map_err(|_| damaged(&"the name of a prompt"))?;
                if models.prompt(tenant, &name).is_none() {
                    all.push(without_texts(view(&name, &read(object)?)?));
                    found += 1;
                }
            }
        }
        all.sort_by(|one, other| one.prompt.cmp(&other.prompt));
        all.truncate(limit);
        Ok(all)
    }

    async fn prompt(&self, of: PromptRef) -> Result<PromptView, Refusal> {
        self.known(&of.tenant)?;
        if let Some(document) = self.outside.models().prompt(&of.tenant, &of.prompt) {
            return Ok(of_file(&of.prompt, document));
        }
        let (object, _) = self.kept_prompt(&of).await?.ok_or_else(|| unknown(&of))?;
        view(&of.prompt, &object)
    }

    async fn put_prompt(&self, of: PromptRef, draft: PromptDraft) -> Result<Put<PromptView>, Refusal> {
        self.may_change(&of)?;
        let PromptDraft { route, system, user } = draft;
        if !self.outside.models().has_route(&of.tenant, &route) {
            let why = "its routes stand in `llm.routes` of the configuration file";
            return Err(invalid(&format!("tenant `{}` has no route `{route}`: {why}", of.tenant)));
        }
        Prompt::parse(system.as_deref(), &user).map_err(|error| invalid(&error))?;
        let document = PromptDocument { route, system, user };
        loop {
            let (kept, now_ms) = (self.kept_prompt(&of).await?, self.dispatcher.now_ms());
            let created = kept.is_none();
            let (object, held) = match kept {
                Some((mut object, version)) => {
                    if let Some(route) = object.route().filter(|route| **route != document.route) {
                        let why = "whoever may ask by that may have it filled: remove it first, or name another";
                        return Err(invalid(&format!("prompt `{}` is of route `{route}`, and {why}", of.prompt)));
                    }
                    object.put(document.clone(), now_ms);
                    (object, Taken::Version(version))
                }
                None => {
                    if self.has_prompts(&of.tenant, PROMPTS_PER_TENANT_MAX).await? {
                        let detail = format!("the tenant has {PROMPTS_PER_TENANT_MAX} prompts already");
                        return Err(Refusal::new(Code::PromptsTooMany, detail));
                    }
                    (PromptObject::new(document.clone(), now_ms), Taken::Absent)
                }
            };
            if self.keep_prompt(&of, &object, held).await? {
                return Ok(Put { now: view(&of.prompt, &object)?, created });
            }
        }
    }

    async fn promote_prompt(&self, of: PromptRef, wish: PromptPromotion) -> Result<PromptView, Refusal> {
        let invalid = |error: ShareError| Refusal::new(Code::QueryInvalid, format!("`share`: {error}"));
        let share: Option<Share> = wish.canary.map(|it| it.share.parse().map_err(invalid)).transpose()?;
        self.changed(&of, |object| match share {
            None => object.promote(wish.version),
            Some(share) => object.try_on(wish.version, share),
        })
        .await
    }

    async fn roll_back_prompt(&self, of: PromptRef, wish: PromptRollBack) -> Result<PromptView, Refusal> {
        self.changed(&of, |object| object.roll_back(wish.version)).await
    }

    async fn remove_prompt(&self, of: PromptRef) -> Result<(), Refusal> {
        self.may_change(&of)?;
        let wish = ObjectWish {
            kind: ObjectKind::Prompt,
            name: ObjectName::from(&of.prompt),
            document: None,
            expected: Taken::Any,
        };
        let changed = self.dispatcher.change(&of.tenant, vec![wish]).await.map_err(|error| not_changed(&error))?;
        match changed.objects.first() {
            Some(ObjectFate::Absent) => Err(unknown(&of)),
            _ => Ok(()),
        }
    }
}

impl HostAdapter {
    /// Whether a prompt may be changed here.
    fn may_change(&self, of: &PromptRef) -> Result<(), Refusal> {
        self.known(&of.tenant)?;
        wharf_gateway::Intake::ready(self)?;
        if self.outside.models().prompt(&of.tenant, &of.prompt).is_some() {
            let detail = format!("prompt `{}` stands in the configuration file: change it there", of.prompt);
            return Err(Refusal::new(Code::PromptOfFile, detail));
        }
        Ok(())
    }

    /// Changes which version of a prompt is given to whom.
    async fn changed(
        &self,
        of: &PromptRef,
        change: impl Fn(&mut PromptObject) -> Result<u32, PromptError> + Send + Sync,
    ) -> Result<PromptView, Refusal> {
        self.may_change(of)?;
        loop {
            let (mut object, version) = self.kept_prompt(of).await?.ok_or_else(|| unknown(of))?;
            change(&mut object).map_err(|error| match error {
                PromptError::Unknown(_) => Refusal::new(Code::PromptUnknown, error.to_string()),
                error => invalid(&error),
            })?;
            if self.keep_prompt(of, &object, Taken::Version(version)).await? {
                return view(&of.prompt, &object);
            }
        }
    }

    async fn prompts_page(&self, tenant: &TenantName, after: Option<&ObjectName>) -> Result<Vec<Object>, Refusal> {
        let read = |state: &_| Object::page(state, tenant, ObjectKind::Prompt, after, PROMPTS_PAGE);
        was_read(self.dispatcher.read(read).await)
    }

    /// Whether a tenant has so many prompts, or more.
    async fn has_prompts(&self, tenant: &TenantName, count: usize) -> Result<bool, Refusal> {
        let (mut last, mut found) = (None, 0);
        while found < count {
            let page = self.prompts_page(tenant, last.as_ref()).await?;
            let Some(end) = page.last() else { return Ok(false) };
            last = Some(end.name.clone());
            found += page.len();
        }
        Ok(true)
    }

    /// A prompt and its version as an object; none where there is none.
    async fn kept_prompt(&self, of: &PromptRef) -> Result<Option<(PromptObject, Position)>, Refusal> {
        let name = ObjectName::from(&of.prompt);
        let held = |state: &_| Object::get(state, &of.tenant, ObjectKind::Prompt, &name);
        let Some(held) = was_read(self.dispatcher.read(held).await)? else { return Ok(None) };
        Ok(Some((read(&held)?, held.version)))
    }

    /// Keeps a prompt; false where somebody changed it meanwhile.
    async fn keep_prompt(&self, of: &PromptRef, object: &PromptObject, held: Taken) -> Result<bool, Refusal> {
        match self.put_object(&of.tenant, (ObjectKind::Prompt, ObjectName::from(&of.prompt)), object, held).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(not_changed(&error)),
        }
    }
}

fn read(object: &Object) -> Result<PromptObject, Refusal> {
    serde_json::from_slice(&object.document).map_err(|error| damaged(&error))
}

fn invalid(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(Code::PromptInvalid, error.to_string())
}

fn unknown(of: &PromptRef) -> Refusal {
    Refusal::new(Code::PromptUnknown, format!("tenant `{}` has no prompt `{}`", of.tenant, of.prompt))
}

/// What is in the state is none of a prompt.
fn damaged(error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!("a prompt in the state cannot be read: {error}");
    Refusal::new(Code::Internal, "a prompt in the state cannot be read")
}

fn version(version: u32, at_ms: Option<u64>, document: &PromptDocument) -> PromptVersionView {
    let PromptDocument { route, system, user } = document.clone();
    PromptVersionView { version, at: at_ms.map(rfc3339), route, system, user }
}

/// What a list tells of it.
fn without_texts(prompt: PromptView) -> PromptView {
    PromptView { versions: Vec::new(), ..prompt }
}

fn of_file(name: &PromptName, document: &PromptDocument) -> PromptView {
    PromptView {
        prompt: name.clone(),
        route: document.route.clone(),
        origin: RuleOrigin::File,
        stable: 0,
        canary: None,
        newest: 0,
        versions: vec![version(0, None, document)],
    }
}

fn view(name: &PromptName, object: &PromptObject) -> Result<PromptView, Refusal> {
    let stable = object.version(object.stable).ok_or_else(|| damaged(&"a prompt has no stable version"))?;
    let version = |it: &PromptVersion| version(it.version, Some(it.at_ms), &it.prompt);
    Ok(PromptView {
        prompt: name.clone(),
        route: stable.prompt.route.clone(),
        origin: RuleOrigin::Api,
        stable: object.stable,
        canary: object.canary.map(|it| PromptCanaryView { version: it.version, share: it.share.to_string() }),
        newest: object.versions.last().map_or(object.stable, |newest| newest.version),
        versions: object.versions.iter().rev().map(version).collect(),
    })
}
