//! What targets get in place of an event's payload, read once for each rule, and made inside the attempt: after the rule's
//! transforms, before the handler. Invariant: a target without an input gets the event as it is.

use wharf_delivery::{DeliveryRow, Failure, InputDocument, TargetDocument, Verdict};
use wharf_event::{Event, Target};
use wharf_input::{Input, InputErrors, Occasion, Unmade};

use crate::{clock::rfc3339, mistakes::RuleError, rules::RuleSet, schedule::Waiting};

/// Reads an input.
///
/// # Errors
/// All its mistakes.
pub fn compile_input(document: &InputDocument) -> Result<Input, InputErrors> {
    match document {
        InputDocument::Path(path) => Input::path(path),
        InputDocument::Constant(text) => Input::constant(text),
        InputDocument::Transformer { paths, template } => Input::template(paths, template),
        InputDocument::Envelope => Ok(Input::envelope()),
    }
}

/// The inputs of a rule's targets: few of them, and mostly none.
#[derive(Default)]
pub(crate) struct Inputs(Vec<(Target, Input)>);

impl Inputs {
    pub(crate) fn new(targets: &[TargetDocument]) -> Result<Self, RuleError> {
        let mut inputs = Vec::new();
        for target in targets {
            let Some(document) = &target.input else { continue };
            let wrong = |errors| RuleError::Input(target.to.clone(), Box::new(errors));
            inputs.push((target.to.clone(), compile_input(document).map_err(wrong)?));
        }
        Ok(Self(inputs))
    }

    pub(crate) fn get(&self, target: &Target) -> Option<&Input> {
        self.0.iter().find(|(of, _)| of == target).map(|(_, input)| input)
    }
}

/// The event as the target of a delivery gets it, or how the attempt ends without it.
pub(crate) fn made(waiting: &Waiting, rules: &RuleSet, event: Event) -> Result<Event, Verdict> {
    let failed = |unmade: Unmade| Verdict::Failed(Failure::new(unmade.code(), unmade.to_string()));
    applied(&waiting.row, rules, &event).map(|made| made.unwrap_or(event)).map_err(failed)
}

/// A message as whoever receives it gets it. Where it has no room for its envelope, or its subscription is gone, it is the event.
pub(crate) fn message(row: &DeliveryRow, rules: &RuleSet, event: Event) -> Event {
    applied(row, rules, &event).ok().flatten().unwrap_or(event)
}

/// The event with the input of a delivery's target, if it has one.
fn applied(row: &DeliveryRow, rules: &RuleSet, event: &Event) -> Result<Option<Event>, Unmade> {
    let Some(input) = rules.input(&row.tenant, &row.target) else { return Ok(None) };
    let occasion = Occasion {
        tenant: row.tenant.as_str(),
        bus: row.bus.as_str(),
        rule: row.target.rule.as_str(),
        accepted: &rfc3339(row.since_ms),
    };
    input.apply(event, &occasion).map(Some)
}
