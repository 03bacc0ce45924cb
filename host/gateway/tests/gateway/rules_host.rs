//! The rules of the made-up host: those that were put, and `of-file`, which stands in its file.
//!
//! Invariant: a rule that was put has the version of its turn, from 1. A document needs a pattern and nothing else.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;
use wharf_event::{BusName, Code, RuleName, TenantName};
use wharf_gateway::view::{FieldView, PatternVerdict, RuleOrigin, RuleView};
use wharf_gateway::{Expected, Mistake, Refusal, RulePut, RuleRef, Rules};

use crate::host::{FakeHost, position};

fn wrong(code: Code, pointers: &[&str]) -> Refusal {
    let mistake =
        |pointer: &&str| Mistake { pointer: (*pointer).to_owned(), detail: "the made-up host minds".to_owned() };
    Refusal::new(code, "the made-up host minds").errors(pointers.iter().map(mistake).collect())
}

impl FakeHost {
    fn on_default(tenant: &TenantName, bus: &BusName) -> Result<(), Refusal> {
        crate::host::tenant_is_known(tenant)?;
        if bus.as_str() == "default" { Ok(()) } else { Err(Refusal::new(Code::BusUnknown, "there is none")) }
    }

    /// The version of a rule that may be changed.
    fn held(&self, of: &RuleRef, expected: Expected) -> Result<bool, Refusal> {
        Self::on_default(&of.tenant, &of.bus)?;
        if of.rule.as_str() == "of-file" {
            return Err(Refusal::new(Code::RuleOfFile, "it stands in the file"));
        }
        let held = self.rules.lock().unwrap().get(&of.rule).map(|rule| rule.version.unwrap());
        let holds = match expected {
            Expected::Any => true,
            Expected::Absent => held.is_none(),
            Expected::Present => held.is_some(),
            Expected::Version(version) => held == Some(version),
        };
        if holds { Ok(held.is_some()) } else { Err(Refusal::new(Code::VersionConflict, format!("{held:?}"))) }
    }
}

impl Rules for FakeHost {
    /// Every question that is no misspelled pattern matches, and the evidence is the question.
    async fn test(&self, tenant: &TenantName, question: Bytes) -> Result<PatternVerdict, Refusal> {
        crate::host::tenant_is_known(tenant)?;
        let question = String::from_utf8(question.to_vec()).unwrap();
        if question.contains("patern") {
            return Err(wrong(Code::PatternInvalid, &["/patern", "/patern/0"]));
        }
        let asked = FieldView { pointer: "/asked".to_owned(), wanted: String::new(), saw: question };
        Ok(PatternVerdict { matched: true, evidence: vec![asked], mismatch: None })
    }

    async fn rules(
        &self,
        tenant: &TenantName,
        bus: &BusName,
        after: Option<RuleName>,
        limit: u32,
    ) -> Result<Vec<RuleView>, Refusal> {
        Self::on_default(tenant, bus)?;
        let rules = self.rules.lock().unwrap();
        let behind = rules.values().filter(|rule| after.as_ref().is_none_or(|after| rule.rule > *after));
        Ok(behind.take(limit.try_into().unwrap()).cloned().collect())
    }

    async fn rule(&self, of: RuleRef) -> Result<RuleView, Refusal> {
        Self::on_default(&of.tenant, &of.bus)?;
        if of.rule.as_str() == "of-file" {
            let pattern = RawValue::from_string("{}".to_owned()).unwrap();
            return Ok(RuleView { origin: RuleOrigin::File, ..view(&of, pattern, None) });
        }
        let found = self.rules.lock().unwrap().get(&of.rule).cloned();
        found.ok_or_else(|| Refusal::new(Code::RuleUnknown, "there is none"))
    }

    async fn put_rule(&self, of: RuleRef, document: Bytes, expected: Expected) -> Result<RulePut, Refusal> {
        Self::on_default(&of.tenant, &of.bus)?;
        let document: BTreeMap<String, Box<RawValue>> =
            serde_json::from_slice(&document).map_err(|_| wrong(Code::RuleInvalid, &[""]))?;
        let pattern = document.get("pattern").ok_or_else(|| wrong(Code::RuleInvalid, &["/pattern", "/targets"]))?;
        if pattern.get() == "[]" {
            return Err(wrong(Code::PatternInvalid, &["/pattern"]));
        }
        let was_there = self.held(&of, expected)?;
        let mut rules = self.rules.lock().unwrap();
        let rule = match rules.get(&of.rule) {
            Some(rule) if rule.pattern.get() == pattern.get() => rule.clone(),
            _ => view(&of, pattern.clone(), Some(rules.values().filter_map(|rule| rule.version).count())),
        };
        rules.insert(of.rule, rule.clone());
        Ok(RulePut { rule, created: !was_there })
    }

    async fn remove_rule(&self, of: RuleRef, expected: Expected) -> Result<(), Refusal> {
        if !self.held(&of, expected)? {
            return Err(Refusal::new(Code::RuleUnknown, "there is none"));
        }
        self.rules.lock().unwrap().remove(&of.rule);
        Ok(())
    }
}

fn view(of: &RuleRef, pattern: Box<RawValue>, version: Option<usize>) -> RuleView {
    RuleView {
        rule: of.rule.clone(),
        bus: of.bus.clone(),
        origin: RuleOrigin::Api,
        version: version.map(position),
        pattern,
        transforms: Vec::new(),
        targets: Vec::new(),
        enabled: true,
    }
}
