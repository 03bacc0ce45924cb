//! Port: asking, reading and changing rules.
//!
//! Invariant: a rule of the configuration file is read here and never changed. What is shown of one that the API made is what the
//! log has, so it may lag behind nothing that was answered.

use bytes::Bytes;
use wharf_delivery::{
    Changed, Expected as Taken, Object, ObjectFate, ObjectKind, ObjectName, ObjectWish, RuleDocument,
};
use wharf_dispatch::{ChangeError, Origin, Rule, RuleError, RuleSet, RulesError};
use wharf_event::{BusName, Code, RuleName, Target, TenantName};
use wharf_gateway::{
    Expected, Mistake, Refusal, RulePut, RuleRef, Rules,
    view::{FieldView, PatternVerdict, RuleVerdict, RuleView},
};
use wharf_pattern::{
    Evidence, Mismatch, PatternError, PatternErrors, Verdict,
    line::{self, LineError},
};

use super::{HostAdapter, blocking, not_asked, page::Room, rule_view, unknown, was_read};
use crate::config::{Beside, Wrong, read_rule};

/// Rules that are read of the state at a time.
const RULES_PER_STEP: usize = 64;

/// About so many bytes has the name of a target.
const NAME_BYTES: usize = 64;

impl Rules for HostAdapter {
    async fn test(&self, tenant: &TenantName, question: Bytes) -> Result<PatternVerdict, Refusal> {
        self.known(tenant)?;
        blocking(move || {
            let (pattern, subject) = line::ask(&question).map_err(|error| no_question(&error))?;
            Ok(verdict(pattern.judge(&subject)))
        })
        .await
    }

    async fn rules(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        mut after: Option<RuleName>,
        limit: u32,
    ) -> Result<Vec<RuleView>, Refusal> {
        let set = self.dispatcher.rules();
        let (mut room, mut page) = (Room::new(limit as usize), Vec::new());
        loop {
            let step = set.rules(tenant, bus, after.as_ref()).map_err(|error| unknown(&error))?;
            let step: Vec<_> =
                step.take(RULES_PER_STEP.min(room.rows())).map(|rule| (rule.name.clone(), rule.origin)).collect();
            let Some((last, _)) = step.last() else { return Ok(page) };
            after = Some(last.clone());
            for rule in self.views(&set, tenant, step).await? {
                if !room.take(rule_view::bytes(&rule)) {
                    return Ok(page);
                }
                page.push(rule);
            }
            if room.is_full() {
                return Ok(page);
            }
        }
    }

    async fn rule(&self, of: RuleRef) -> Result<RuleView, Refusal> {
        let set = self.dispatcher.rules();
        let origin = found(&set, &of)?;
        let views = self.views(&set, &of.tenant, vec![(of.rule.clone(), origin)]).await?;
        // Between the look into the set and that into the state it may have gone, or have moved to another bus.
        views.into_iter().find(|rule| rule.bus == of.bus).ok_or_else(|| rule_unknown(&of))
    }

    async fn put_rule(&self, of: RuleRef, document: Bytes, expected: Expected) -> Result<RulePut, Refusal> {
        let set = self.dispatcher.rules();
        set.check_bus(&of.tenant, &of.bus).map_err(|error| unknown(&error))?;
        let document = read_beside(&set, &of, |beside| read_rule(&document, beside))?;
        let stored = serde_json::to_vec(&document).map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        let fate = self.change(&of, Some(stored.into()), expected, Some(&document)).await?;
        let (version, created) = match fate {
            ObjectFate::Created(version) => (version, true),
            ObjectFate::Replaced(version) | ObjectFate::Unchanged(version) => (version, false),
            ObjectFate::Removed | ObjectFate::Absent => return Err(rule_unknown(&of)),
        };
        Ok(RulePut { rule: rule_view::of_api(&of.rule, &document, version)?, created })
    }

    async fn remove_rule(&self, of: RuleRef, expected: Expected) -> Result<(), Refusal> {
        found(&self.dispatcher.rules(), &of)?;
        match self.change(&of, None, expected, None).await? {
            ObjectFate::Absent => Err(rule_unknown(&of)),
            _ => Ok(()),
        }
    }
}

impl HostAdapter {
    /// Rules as the API shows them; those that are gone meanwhile are left out.
    async fn views(
        &self,
        set: &RuleSet,
        tenant: &TenantName,
        rules: Vec<(RuleName, Origin)>,
    ) -> Result<Vec<RuleView>, Refusal> {
        let of_api = |(name, origin): &(RuleName, Origin)| (*origin == Origin::Object).then(|| ObjectName::from(name));
        let names: Vec<Option<ObjectName>> = rules.iter().map(of_api).collect();
        let objects = self.dispatcher.read(|state| {
            let get = |name: &Option<ObjectName>| match name {
                Some(name) => Object::get(state, tenant, ObjectKind::Rule, name),
                None => Ok(None),
            };
            names.iter().map(get).collect::<Result<Vec<_>, _>>()
        });
        let objects = was_read(objects.await)?;
        let of_file = set.document().tenants.get(tenant).map(|tenant| &tenant.rules);
        let mut views = Vec::with_capacity(rules.len());
        for ((name, origin), object) in rules.into_iter().zip(objects) {
            match (origin, object) {
                (Origin::File, _) => {
                    let document = of_file.and_then(|rules| rules.get(&name));
                    views.extend(document.map(|document| rule_view::of_file(&name, document)).transpose()?);
                }
                (Origin::Object, Some(object)) => {
                    let document: RuleDocument = serde_json::from_slice(&object.document).map_err(damaged)?;
                    views.push(rule_view::of_api(&name, &document, object.version)?);
                }
                (Origin::Object, None) => {}
            }
        }
        Ok(views)
    }

    /// Makes, changes or removes one rule. `document` is what it is to be, for telling places in it.
    async fn change(
        &self,
        of: &RuleRef,
        stored: Option<Bytes>,
        expected: Expected,
        document: Option<&RuleDocument>,
    ) -> Result<ObjectFate, Refusal> {
        let expected = taken(expected);
        let wish = ObjectWish { kind: ObjectKind::Rule, name: (&of.rule).into(), document: stored, expected };
        let changed = self.dispatcher.change(&of.tenant, vec![wish]).await;
        let Changed { objects, .. } = changed.map_err(|error| not_changed(&error, document))?;
        objects.into_iter().next().ok_or_else(|| Refusal::new(Code::Internal, "nothing became of the rule"))
    }
}

/// What a request takes an object to be, as the machine says it.
pub(super) fn taken(expected: Expected) -> Taken {
    match expected {
        Expected::Any => Taken::Any,
        Expected::Absent => Taken::Absent,
        Expected::Present => Taken::Present,
        Expected::Version(version) => Taken::Version(version),
    }
}

/// Where a rule that is there was made.
fn found(set: &RuleSet, of: &RuleRef) -> Result<Origin, Refusal> {
    set.check_bus(&of.tenant, &of.bus).map_err(|error| unknown(&error))?;
    let rule = set.rule(&of.tenant, &of.rule).filter(|rule| rule.bus == of.bus);
    rule.map(|rule| rule.origin).ok_or_else(|| rule_unknown(of))
}

fn rule_unknown(of: &RuleRef) -> Refusal {
    match of.rule.subscription() {
        Some((topic, name)) => {
            Refusal::new(Code::SubscriptionUnknown, format!("topic `{topic}` has no subscription `{name}`"))
        }
        None => Refusal::new(Code::RuleUnknown, format!("event bus `{}` has no rule `{}`", of.bus, of.rule)),
    }
}

/// Reads a document beside what a tenant has.
pub(super) fn read_beside<T>(
    set: &RuleSet,
    of: &RuleRef,
    read: impl FnOnce(Beside<'_>) -> Result<T, Wrong>,
) -> Result<T, Refusal> {
    let plugins = set.plugins(&of.tenant).cloned().collect();
    let topics = set.topics(&of.tenant).map(|(topic, ..)| BusName::of_topic(&topic));
    let buses = set.buses(&of.tenant).map(|(bus, ..)| bus.clone()).chain(topics).collect();
    let webhooks = set.webhooks(&of.tenant).map(|(webhook, _)| webhook.clone()).collect();
    let queues = set.queues(&of.tenant).map(|(queue, _)| queue.clone()).collect();
    let (rule, bus) = (&of.rule, &of.bus);
    let beside = Beside { rule, bus, buses: &buses, plugins: &plugins, webhooks: &webhooks, queues: &queues };
    read(beside).map_err(wrong)
}

/// A document with mistakes.
pub(super) fn wrong(Wrong { code, mistakes }: Wrong) -> Refusal {
    let told = |Mistake { pointer, detail }: &Mistake| {
        if pointer.is_empty() { detail.clone() } else { format!("{pointer}: {detail}") }
    };
    let detail = mistakes.iter().map(told).collect::<Vec<_>>().join("; ");
    Refusal::new(code, detail).errors(mistakes)
}

fn damaged(error: serde_json::Error) -> Refusal {
    tracing::error!("a rule in the state cannot be read: {error}");
    Refusal::new(Code::Internal, "a rule in the state cannot be read")
}

fn not_changed(error: &ChangeError, document: Option<&RuleDocument>) -> Refusal {
    let source = match error {
        ChangeError::Ask(error) => return not_asked(error),
        ChangeError::Rules(RulesError::Tenant(error)) => return unknown(error),
        ChangeError::Rules(
            error @ (RulesError::Release { .. }
            | RulesError::Plugin { .. }
            | RulesError::Schema { .. }
            | RulesError::Schedule { .. }
            | RulesError::Bus { .. }
            | RulesError::Webhook { .. }
            | RulesError::Queue { .. }
            | RulesError::Route { .. }
            | RulesError::OfTenant { .. }),
        ) => {
            return Refusal::new(error.code(), error.to_string());
        }
        ChangeError::Rules(RulesError::Rule { source, .. }) => source,
    };
    let code = match source {
        RuleError::OfFile => Code::RuleOfFile,
        RuleError::OtherBus(_) => Code::RuleElsewhere,
        RuleError::Batches(_) | RuleError::Requests(_) => Code::HandlerKind,
        RuleError::TooMany | RuleError::Combinations => Code::RulesTooMany,
        RuleError::Subscriptions(_) => Code::SubscriptionsTooMany,
        RuleError::Pattern(errors) => return wrong_pattern(errors),
        _ => Code::RuleInvalid,
    };
    let pointer = document.and_then(|document| match source {
        RuleError::Plugin(plugin) => {
            let at = document.targets.iter().position(|target| target.to.plugin() == Some(plugin))?;
            Some(format!("/targets/{at}/plugin"))
        }
        RuleError::Webhook(webhook) => {
            let at = document.targets.iter().position(|target| target.to.webhook() == Some(webhook))?;
            Some(format!("/targets/{at}/webhook"))
        }
        RuleError::Queue(queue) | RuleError::Changed(queue) => {
            let at = document.targets.iter().position(|target| target.to.queue() == Some(queue))?;
            Some(format!("/targets/{at}/queue"))
        }
        RuleError::ToBus(bus) => {
            let at = document.targets.iter().position(|target| target.to.bus() == Some(bus))?;
            Some(format!("/targets/{at}/{}", document.targets.get(at)?.to.kind()))
        }
        RuleError::Transform(plugin) => {
            let at = document.transforms.iter().position(|transform| transform == plugin)?;
            Some(format!("/transforms/{at}"))
        }
        _ => None,
    });
    let mistakes = pointer.map(|pointer| Mistake { pointer, detail: source.to_string() });
    Refusal::new(code, source.to_string()).errors(mistakes.into_iter().collect())
}

/// What a rule says to an event, with who would get it.
pub(super) fn told(rule: &Rule, verdict: wharf_pattern::Verdict) -> RuleVerdict {
    let targets = || rule.targets.iter().map(|target| &target.to);
    let buses = || targets().filter_map(Target::bus);
    let PatternVerdict { matched, evidence, mismatch } = self::verdict(verdict);
    RuleVerdict {
        rule: rule.name.clone(),
        matched,
        evidence,
        mismatch,
        plugins: targets().filter_map(|to| to.plugin().cloned()).collect(),
        webhooks: targets().filter_map(|to| to.webhook().cloned()).collect(),
        queues: targets().filter_map(|to| to.queue().cloned()).collect(),
        buses: buses().filter(|bus| bus.is_plain()).cloned().collect(),
        topics: buses().filter_map(BusName::topic).collect(),
    }
}

/// About so many bytes has what a rule says.
pub(super) fn verdict_bytes(verdict: &RuleVerdict) -> usize {
    let RuleVerdict { rule, matched: _, evidence, mismatch, plugins, webhooks, queues, buses, topics } = verdict;
    let field = |FieldView { pointer, wanted, saw }: &FieldView| pointer.len() + wanted.len() + saw.len();
    let fields = evidence.iter().chain(mismatch).map(field).sum::<usize>();
    let names = plugins.len() + webhooks.len() + queues.len() + buses.len() + topics.len();
    rule.as_str().len() + fields + names * NAME_BYTES
}

/// The same as the API shows it.
pub(super) fn verdict(judged: Verdict) -> PatternVerdict {
    let matched = judged.is_ok();
    let (evidence, mismatch) = match judged {
        Ok(evidence) => (evidence, None),
        Err(mismatch) => (Vec::new(), Some(mismatch)),
    };
    let evidence = evidence.into_iter().map(|Evidence { pointer, wanted, saw }| FieldView { pointer, wanted, saw });
    let mismatch = mismatch.map(|Mismatch { pointer, wanted, saw }| FieldView { pointer, wanted, saw });
    PatternVerdict { matched, evidence: evidence.collect(), mismatch }
}

fn no_question(error: &LineError) -> Refusal {
    match error {
        LineError::Line(error) => Refusal::new(Code::QueryInvalid, format!("the body is {error}")),
        LineError::Missing(_) => Refusal::new(Code::QueryInvalid, error.to_string()),
        LineError::Pattern(errors) => wrong_pattern(errors),
        LineError::Event(_) => Refusal::new(Code::EventJson, error.to_string()),
    }
}

/// A refusal with every mistake of a pattern.
pub(super) fn wrong_pattern(errors: &PatternErrors) -> Refusal {
    let mistake = |error: &PatternError| Mistake { pointer: error.pointer.clone(), detail: error.reason.to_string() };
    Refusal::new(Code::PatternInvalid, errors.to_string()).errors(errors.iter().map(mistake).collect())
}
