//! A plan and what was done of it, for people and for programs.
//!
//! Invariant: for programs it is one document of one shape, whether the plan is only shown, is in the way of itself, is done, or ends in the
//! middle.

use serde::Serialize;
use wharf_event::Digest;

use super::{
    super::{
        error::{CommandError, Exit, talk},
        output::Output,
        plugin::PushedView,
        words::{bad, counted, error_style, faint, good, help_style, later, printable, strong},
    },
    failure::DeployFailure,
    plan::{Action, Kind, Object, Plan, Step, Trouble, Work},
};
use crate::config::{ProblemView, Problems};

/// All of it, for programs.
#[derive(Default, Serialize)]
struct Document<'a> {
    /// Nothing is in the way, and nothing went wrong.
    ok: bool,
    changes: Vec<Change>,
    unchanged: usize,
    unlisted: &'a [Object],
    troubles: &'a [Trouble],
    mistakes: Vec<ProblemView<'a>>,
    notes: &'a [String],
    failure: Option<Failed>,
    pushed: Option<PushedView>,
}

#[derive(Serialize)]
struct Change {
    #[serde(flatten)]
    object: Object,
    action: Action,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<Digest>,
    /// Whether it is done.
    applied: bool,
}

impl From<&Step> for Change {
    fn from(Step { object, action, detail, work }: &Step) -> Self {
        let release = match work {
            Work::Release { component, .. } => Some(component.release),
            Work::Promote { release, .. } => Some(*release),
            _ => None,
        };
        Self { object: object.clone(), action: *action, detail: detail.clone(), release, applied: false }
    }
}

#[derive(Serialize)]
struct Failed {
    #[serde(flatten)]
    object: Object,
    code: Option<String>,
    message: String,
}

/// The mistakes of the file, and nothing else.
pub fn mistakes(mistakes: &Problems, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(&Document { mistakes: mistakes.view(), ..Document::default() })?;
    } else {
        talk(mistakes.to_string().trim_end());
    }
    // Where a registry is in the way of all of them, it is nothing that the file could mend.
    let mut exits = mistakes.list.iter().map(|mistake| Exit::of_unfit(mistake.code));
    let first = exits.next().unwrap_or(Exit::CheckFailed);
    Ok(if exits.all(|exit| exit == first) { first } else { Exit::CheckFailed })
}

/// The plan, of which nothing is done.
pub fn only(plan: &Plan, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        let changes = plan.steps.iter().map(Change::from).collect();
        out.document(&Document { ok: plan.can_be_applied(), changes, ..rest(plan) })?;
    } else {
        self::plan(plan, out)?;
        troubles(&plan.troubles);
    }
    Ok(if plan.can_be_applied() { Exit::Success } else { Exit::CheckFailed })
}

fn rest(plan: &Plan) -> Document<'_> {
    Document {
        unchanged: plan.unchanged,
        unlisted: &plan.unlisted,
        troubles: &plan.troubles,
        notes: &plan.notes,
        ..Document::default()
    }
}

fn troubles(all: &[Trouble]) {
    for Trouble { object, code, message, help } in all {
        let of = object.words();
        talk(&format!("{}: {of}: {}", error_style(&format!("error[{code}]")), printable(message)));
        talk(&format!("{}: {}", help_style("help"), printable(help)));
    }
    if !all.is_empty() {
        talk(&format!("{} in the way: nothing was applied", counted(all.len(), "thing is", "things are")));
    }
}

/// The plan for people: the differences first.
pub fn plan(plan: &Plan, out: &mut Output) -> Result<(), CommandError> {
    let mut tenants: Vec<_> = plan.steps.iter().map(|step| &step.object.tenant).collect();
    tenants.extend(plan.unlisted.iter().map(|object| &object.tenant));
    tenants.sort();
    tenants.dedup();
    for tenant in tenants {
        out.line(&format!("tenant {}", strong(tenant.as_str())))?;
        for Step { object, action, detail, .. } in plan.steps.iter().filter(|step| step.object.tenant == *tenant) {
            let sign = match action {
                Action::Add => good("+"),
                Action::Change => later("~"),
                Action::Remove => bad("-"),
            };
            // A release is its digest and its size; of the others, what is behind the name is an explanation.
            let detail = match object.kind {
                _ if detail.is_empty() => String::new(),
                Kind::Release => format!(" {detail}"),
                _ => format!(" ({detail})"),
            };
            out.line(&format!("  {sign} {} {}{detail}", object.kind.word(), object.name))?;
        }
        for Object { kind, name, .. } in plan.unlisted.iter().filter(|object| object.tenant == *tenant) {
            let said = format!("  ? {} {name} is not in the file and stays; --prune removes it", kind.word());
            out.line(&faint(&said))?;
        }
    }
    for note in &plan.notes {
        out.line(&faint(&format!("  {}", printable(note))))?;
    }
    let same = counted(plan.unchanged, "object is", "objects are");
    match plan.steps.is_empty() {
        // What is in the way is told instead.
        true if !plan.can_be_applied() => Ok(()),
        true => out.line(&format!("= nothing changes: {same} as the file says")),
        false => out.line(&format!("{}; {same} as the file says", plan.counted())),
    }
}

/// What was done so far.
pub struct Done {
    changes: Vec<Change>,
    unchanged: usize,
    unlisted: Vec<Object>,
    notes: Vec<String>,
    applied: usize,
    pushed: Option<PushedView>,
}

impl Done {
    /// Nothing so far.
    pub fn new(plan: &Plan, steps: &[Step], pushed: Option<PushedView>) -> Self {
        let (changes, unlisted) = (steps.iter().map(Change::from).collect(), plan.unlisted.clone());
        Self { changes, unchanged: plan.unchanged, unlisted, notes: plan.notes.clone(), applied: 0, pushed }
    }

    /// The next step is done.
    pub fn step(&mut self, step: &Step, out: &mut Output) -> Result<(), CommandError> {
        self.changes.get_mut(self.applied).into_iter().for_each(|change| change.applied = true);
        self.applied += 1;
        if out.is_json() {
            return Ok(());
        }
        let word = match (step.object.kind, step.action) {
            (Kind::Release, _) => "ready",
            (Kind::Traffic, _) => "promoted",
            (_, Action::Add) => "added",
            (_, Action::Change) => "changed",
            (_, Action::Remove) => "removed",
        };
        out.line(&format!("{}  {}", good(word), step.object.words()))
    }

    /// All of it is done.
    pub fn end(self, out: &mut Output) -> Result<(), CommandError> {
        if out.is_json() {
            return self.document(None, out);
        }
        out.line(&format!("{}  {}", good("deployed"), counted(self.applied, "change", "changes")))
    }

    /// A step failed. For people it is told as every error is.
    pub fn fail(self, failure: &DeployFailure, out: &mut Output) -> Result<(), CommandError> {
        if !out.is_json() {
            return Ok(());
        }
        let (code, message) = (failure.error.code().map(ToOwned::to_owned), failure.error.to_string());
        self.document(Some(Failed { object: failure.object.clone(), code, message }), out)
    }

    fn document(self, failure: Option<Failed>, out: &mut Output) -> Result<(), CommandError> {
        let Self { changes, unchanged, unlisted, notes, pushed, .. } = self;
        let ok = failure.is_none();
        let (unlisted, notes) = (&unlisted[..], &notes[..]);
        out.document(&Document { ok, changes, unchanged, unlisted, notes, failure, pushed, ..Document::default() })
    }
}
