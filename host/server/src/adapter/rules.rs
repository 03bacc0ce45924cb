//! Port: asking rules.

use bytes::Bytes;
use wharf_event::{Code, TenantName};
use wharf_gateway::{
    Mistake, Refusal, Rules,
    view::{FieldView, PatternVerdict},
};
use wharf_pattern::{
    Evidence, Mismatch, PatternError, PatternErrors, Verdict,
    line::{self, LineError},
};

use super::{HostAdapter, blocking};

impl Rules for HostAdapter {
    async fn test(&self, tenant: &TenantName, question: Bytes) -> Result<PatternVerdict, Refusal> {
        self.known(tenant)?;
        blocking(move || {
            let (pattern, subject) = line::ask(&question).map_err(|error| no_question(&error))?;
            Ok(verdict(pattern.judge(&subject)))
        })
        .await
    }
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
fn wrong_pattern(errors: &PatternErrors) -> Refusal {
    let mistake = |error: &PatternError| Mistake { pointer: error.pointer.clone(), detail: error.reason.to_string() };
    Refusal::new(Code::PatternInvalid, errors.to_string()).errors(errors.iter().map(mistake).collect())
}
