//! `wharf dlq`: dead-letter queues, read, edited and sent again.
//!
//! Invariant: a redrive says which letters, by their ids, by a filter, or all of them; there is no default. Letters are never deleted.

mod edit;
mod redrive;

use clap::{ArgGroup, Args, Subcommand};
use serde::Serialize;
use wharf_dispatch::{Clock as _, SystemClock};
use wharf_event::{Code, QueueName, RuleName, Target};
use wharf_gateway::view::{
    AttemptView, DeadLetterView, DiscardView, LetterFilter, LetterGroupView, LetterGroupsView, QueueView, RedriveView,
};

use super::{
    args::Global,
    attributes::Attributes,
    error::{CommandError, Exit, talk},
    events::{about, fact},
    output::Output,
    pages, said,
    session::Session,
    tree_lines::outcome,
    words::{clipped, faint, printable},
};
use crate::client::{Client, ClientError, Resource};

/// `wharf dlq`.
#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// List dead-letter queues, or the letters of one
    #[command(visible_alias = "list", after_help = "Example:\n  wharf dlq ls flaky --code limit-cpu")]
    Ls {
        /// The queue
        queue: Option<QueueName>,
        /// Only letters after this one
        #[arg(long, value_name = "ID", requires = "queue")]
        after: Option<String>,
        /// Rows at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000), requires = "queue")]
        limit: u32,
        /// Which letters
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Count the letters of a queue by target and error
    #[command(after_help = "Example:\n  wharf dlq groups flaky --since 2h")]
    Groups {
        /// The queue
        queue: QueueName,
        /// Only groups behind this place, which the page before named
        #[arg(long, value_name = "PLACE")]
        after: Option<String>,
        /// Groups at most; more than these are on further pages
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Which letters
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// Show one letter with its attempts and its event
    #[command(after_help = "Example:\n  wharf dlq show flaky 1042-256.0")]
    Show {
        /// The queue
        queue: QueueName,
        /// The letter's id
        id: String,
    },
    /// Change the payload of a letter before it is sent again; the archive keeps the event as it came in
    #[command(after_help = "Example:\n  wharf dlq edit flaky 1042-256.0 -d '{\"amount\": 12}'")]
    Edit(edit::EditArgs),
    /// Send letters again, their attempts counted from zero: some by id, those that a filter leaves, or all
    #[command(
        group(ArgGroup::new("which").multiple(true).required(true).arg("ids").args(WAYS)),
        after_help = "Example:\n  wharf dlq redrive flaky --code handler-trap --since 2h --dry-run\n  wharf dlq redrive flaky --all --rate 10/s\n\n\
        With --rate the host sends them, also when this command is over and over restarts: wharf dlq progress shows how far it came, wharf dlq cancel ends it."
    )]
    Redrive {
        /// The queue
        queue: QueueName,
        /// The letters' ids
        #[arg(value_name = "ID", conflicts_with_all = WAYS)]
        ids: Vec<String>,
        /// All letters that are in the queue now
        #[arg(long, conflicts_with_all = FILTERS)]
        all: bool,
        /// Which letters
        #[command(flatten)]
        filter: FilterArgs,
        /// Only count them
        #[arg(long)]
        dry_run: bool,
        /// So many a second and no faster, behind this command
        #[arg(long, value_name = "N/s", value_parser = said::rate, conflicts_with_all = ["dry_run", "ids"])]
        rate: Option<u32>,
    },
    /// Let go of letters for good: some by id, those that a filter leaves, or all
    #[command(
        visible_alias = "discard",
        group(ArgGroup::new("which").multiple(true).required(true).arg("ids").args(WAYS)),
        after_help = "Example:\n  wharf dlq rm flaky --until 14d --dry-run\n  wharf dlq rm flaky --code handler-reject --until 14d\n\n\
        What is gone is in no queue any more and cannot be sent again; the archive has its event and its attempts for as long as it keeps them."
    )]
    Rm {
        /// The queue
        queue: QueueName,
        /// The letters' ids
        #[arg(value_name = "ID", conflicts_with_all = WAYS)]
        ids: Vec<String>,
        /// All letters that are in the queue now
        #[arg(long, conflicts_with_all = FILTERS)]
        all: bool,
        /// Which letters
        #[command(flatten)]
        filter: FilterArgs,
        /// Only count them
        #[arg(long)]
        dry_run: bool,
    },
    /// Show how far a redrive at a rate came, or how the last one ended
    #[command(after_help = "Example:\n  wharf dlq progress flaky")]
    Progress {
        /// The queue
        queue: QueueName,
    },
    /// End a redrive at a rate where it is: what was not sent lies where it lay
    #[command(after_help = "Example:\n  wharf dlq cancel flaky")]
    Cancel {
        /// The queue
        queue: QueueName,
    },
}

/// What a filter consists of.
const FILTERS: [&str; 7] = ["rule", "target", "code", "since", "until", "kind", "pattern"];

/// How to say which letters, but by id.
const WAYS: [&str; 8] = ["all", "rule", "target", "code", "since", "until", "kind", "pattern"];

/// Which letters: those of which all is true that is said.
#[derive(Debug, Default, Args)]
pub struct FilterArgs {
    /// Only those of this rule
    #[arg(long, requires = "queue")]
    rule: Option<RuleName>,
    /// Only those that are owed to this target: a plugin, `webhook/NAME`
    #[arg(long, requires = "queue")]
    target: Option<Target>,
    /// Only those that were given up with this code, or whose last attempt ended with it
    #[arg(long, requires = "queue")]
    code: Option<Code>,
    /// Only those that were given up in this time (`2h`), or since that time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = said::moment, requires = "queue")]
    since: Option<String>,
    /// Only those that were given up longer ago than this (`2h`), or before that time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = said::moment, requires = "queue")]
    until: Option<String>,
    /// Only those of events whose type begins so
    #[arg(long = "type", value_name = "PREFIX", requires = "queue")]
    kind: Option<String>,
    /// Only those of events that this pattern matches
    #[arg(long, value_name = "JSON", requires = "queue")]
    pattern: Option<String>,
}

impl FilterArgs {
    fn filter(self) -> LetterFilter {
        let now_ms = SystemClock::default().wall_ms();
        LetterFilter {
            rule: self.rule,
            target: self.target.map(|target| target.to_string()),
            code: self.code,
            since: self.since.map(|text| said::time(text, now_ms)),
            until: self.until.map(|text| said::time(text, now_ms)),
            type_prefix: self.kind,
            pattern: self.pattern,
        }
    }
}

/// Which letters are sent again or let go of: one of the three, and whether they are only counted.
#[derive(Debug, Serialize)]
struct Redrive {
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<Vec<String>>,
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    filter: Option<LetterFilter>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    letters_per_s: Option<u32>,
}

impl Redrive {
    fn of(ids: Vec<String>, all: bool, filter: LetterFilter, dry_run: bool) -> Self {
        let filter = (!filter.is_empty()).then_some(filter);
        let ids = (!all && filter.is_none()).then_some(ids);
        Self { all: all.then_some(true), ids, filter, dry_run, letters_per_s: None }
    }

    fn at(self, letters_per_s: u32) -> Self {
        Self { letters_per_s: Some(letters_per_s), ..self }
    }
}

/// Letters of a queue that a filter leaves.
fn letters(of: Resource, filter: LetterFilter) -> Resource {
    let LetterFilter { rule, target, code, since, until, type_prefix, pattern } = filter;
    let of = of.ask_some("rule", rule).ask_some("target", target).ask_some("code", code).ask_some("since", since);
    of.ask_some("until", until).ask_some("type_prefix", type_prefix).ask_some("pattern", pattern)
}

/// Lists, shows, redrives or lets go.
pub async fn run(command: DlqCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    let dlq = session.own().at("dlq");
    match command {
        DlqCommand::Ls { queue: None, .. } => {
            let queues = pages::whole(&session.client, dlq, |it: &QueueView| it.queue.to_string()).await?;
            if out.is_json() {
                out.document(&queues)?;
            } else {
                let rows = queues.iter().map(|it| [it.queue.to_string(), it.depth.to_string()]).collect();
                out.table(["QUEUE", "LETTERS"], rows)?;
            }
        }
        DlqCommand::Ls { queue: Some(queue), after, limit, filter } => {
            let of = letters(dlq.at(queue), filter.filter());
            let page = |rows, after| of.clone().ask("limit", rows).ask_some("after", after);
            let id = |letter: &DeadLetterView| letter.id.clone();
            let letters = pages::gather(&session.client, limit, after, page, id).await?;
            if out.is_json() {
                out.document(&letters)?;
            } else {
                list(&letters, limit, out)?;
            }
        }
        DlqCommand::Groups { queue, after, limit, filter } => {
            let groups = letters(dlq.at(queue).at("groups"), filter.filter());
            let groups = groups.ask("limit", limit).ask_some("after", after);
            let groups: LetterGroupsView = session.client.get(&groups).await?;
            if out.is_json() {
                out.document(&groups)?;
            } else {
                counted(&groups, out)?;
            }
        }
        DlqCommand::Show { queue, id } => {
            let letter: DeadLetterView = session.client.get(&dlq.at(queue).at(id)).await?;
            if out.is_json() {
                out.document(&letter)?;
            } else {
                show(&letter).iter().try_for_each(|line| out.line(line))?;
            }
        }
        DlqCommand::Edit(args) => {
            let letter = edit::edit(&session.client, dlq, &args).await?;
            if out.is_json() {
                out.document(&letter)?;
            } else {
                out.line(&format!("edited {}", printable(&letter.id)))?;
            }
        }
        DlqCommand::Redrive { queue, ids, all, filter, dry_run, rate } => {
            let (of, which) = (dlq.at(queue), Redrive::of(ids, all, filter.filter(), dry_run));
            match rate {
                None => redrive(&session.client, &of, &which, out).await?,
                Some(rate) => redrive::begin(&session.client, of, &which.at(rate), out).await?,
            }
        }
        DlqCommand::Rm { queue, ids, all, filter, dry_run } => {
            discard(&session.client, &dlq.at(queue), &Redrive::of(ids, all, filter.filter(), dry_run), out).await?;
        }
        DlqCommand::Progress { queue } => redrive::progress(&session.client, dlq.at(queue), out).await?,
        DlqCommand::Cancel { queue } => redrive::cancel(&session.client, dlq.at(queue), out).await?,
    }
    Ok(Exit::Success)
}

async fn redrive(client: &Client, queue: &Resource, which: &Redrive, out: &mut Output) -> Result<(), CommandError> {
    let body = serde_json::to_vec(which).map_err(ClientError::NotUnderstood)?;
    let done: RedriveView = client.post(&queue.clone().at("redrive"), "application/json", body).await?;
    if out.is_json() {
        return out.document(&done);
    }
    let redriven = || format!("redriven {}", done.redriven);
    out.line(&done.matching.map_or_else(redriven, |matching| format!("would redrive {matching}")))
}

async fn discard(client: &Client, queue: &Resource, which: &Redrive, out: &mut Output) -> Result<(), CommandError> {
    let body = serde_json::to_vec(which).map_err(ClientError::NotUnderstood)?;
    let done: DiscardView = client.post(&queue.clone().at("discard"), "application/json", body).await?;
    if out.is_json() {
        return out.document(&done);
    }
    let discarded = || format!("discarded {}", done.discarded);
    out.line(&done.matching.map_or_else(discarded, |matching| format!("would discard {matching}")))
}

fn counted(of: &LetterGroupsView, out: &mut Output) -> Result<(), CommandError> {
    let row = |group: &LetterGroupView| {
        let [first, last] = [&group.first, &group.last].map(|time| printable(time).into_owned());
        let error = clipped(&group.error);
        // What came of the last attempt says more than that there were no more.
        let (target, code) = (group.to.to_string(), group.cause.to_string());
        [group.count.to_string(), target, code, first, last, printable(&group.sample).into_owned(), error]
    };
    out.table(["LETTERS", "TARGET", "CODE", "FIRST", "LAST", "SAMPLE", "ERROR"], of.groups.iter().map(row).collect())?;
    if let Some(next) = &of.next {
        talk(&format!("and {} letters of further groups: --after {}", of.others, printable(next)));
    }
    Ok(())
}

fn list(letters: &[DeadLetterView], limit: u32, out: &mut Output) -> Result<(), CommandError> {
    let row = |letter: &DeadLetterView| {
        let Attributes { kind, .. } = Attributes::of(&letter.event.event);
        let target = format!("{} → {}", letter.rule, letter.to);
        // The last error says more than the title of the code, which the reason may be.
        let words = if letter.error.is_empty() { &letter.reason } else { &letter.error };
        let why = format!("{}: {}", letter.code, clipped(words));
        let time = printable(&letter.time).into_owned();
        [printable(&letter.id).into_owned(), time, clipped(&kind), target, letter.attempts.to_string(), why]
    };
    out.table(["ID", "TIME", "TYPE", "TARGET", "ATTEMPTS", "REASON"], letters.iter().map(row).collect())?;
    if let Some(last) = letters.last().filter(|_| u32::try_from(letters.len()).is_ok_and(|rows| rows == limit)) {
        talk(&format!("more: --after {}", printable(&last.id)));
    }
    Ok(())
}

fn show(letter: &DeadLetterView) -> Vec<String> {
    let facts = [
        ("letter", letter.id.clone()),
        ("queue", letter.queue.to_string()),
        ("given up", letter.time.clone()),
        ("target", format!("{} → {}", letter.rule, letter.to)),
        ("attempts", letter.attempts.to_string()),
        ("reason", format!("{}: {}", letter.code, letter.reason)),
        ("last error", letter.error.clone()),
    ];
    let mut lines: Vec<_> = facts.iter().map(|(name, value)| fact(name, value)).collect();
    let tried = |of: &AttemptView| {
        let name = format!("attempt {}", of.attempt);
        format!("{}{}  {}", faint(&format!("{name:<20}")), printable(&of.time), outcome(of))
    };
    if letter.truncated {
        lines.push(faint(&format!("attempts before these: wharf events show {}", letter.event.position)));
    }
    lines.extend(letter.history.iter().map(tried));
    lines.push(String::new());
    lines.extend(letter.edited.iter().map(|time| fact("edited", time)));
    lines.extend(about(&letter.event));
    if let Some(original) = &letter.original {
        lines.push(String::new());
        lines.push(fact("as it came in", ""));
        lines.extend(about(original));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redrive_says_either_all_or_which() {
        let said = |redrive: &Redrive| serde_json::to_string(redrive).unwrap();
        let none = LetterFilter::default;
        assert_eq!(said(&Redrive::of(vec![], true, none(), false)), r#"{"all":true}"#);
        assert_eq!(
            said(&Redrive::of(vec!["1-0.0".to_owned()], false, none(), true)),
            r#"{"ids":["1-0.0"],"dry_run":true}"#
        );
        let filter = FilterArgs { since: Some("2026-01-02T03:04:05Z".to_owned()), ..FilterArgs::default() }.filter();
        let said = said(&Redrive::of(vec![], false, filter, false));
        assert_eq!(said, r#"{"where":{"since":"2026-01-02T03:04:05Z"}}"#);
    }
}
