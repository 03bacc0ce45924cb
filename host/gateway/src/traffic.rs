//! What the gateway counts of itself: answers, refusals, what it cut, and what is open.
//!
//! Invariant: counting takes no lock and allocates nothing. The labels are statuses and codes, of which there are few.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::response::Response;
use wharf_event::Code;

use crate::feeds::Feeds;
use crate::measure::{Family, Kind, Reading};
use crate::problem::{Cut, Told};

/// The statuses of HTTP: three digits, the first from 1 to 5.
const STATUSES: std::ops::Range<usize> = 100..600;

/// Why a connection was ended without an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CutBy {
    /// The head of its request did not come in time; an idle connection ends so too.
    Head,
    /// The body of its request did not come whole or in time.
    Body,
    /// It did not take its answer in time.
    Answer,
}

impl CutBy {
    const ALL: [Self; 3] = [Self::Head, Self::Body, Self::Answer];

    fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Body => "body",
            Self::Answer => "answer",
        }
    }
}

/// The counters.
#[derive(Debug)]
pub(crate) struct Traffic {
    answers: Box<[AtomicU64]>,
    problems: Box<[AtomicU64]>,
    cut: [AtomicU64; CutBy::ALL.len()],
    open: AtomicU64,
    connections_max: usize,
    pub(crate) feeds: Arc<Feeds>,
}

impl Traffic {
    pub(crate) fn new(connections_max: usize, feeds_max: usize) -> Self {
        let counters = |count: usize| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            answers: counters(STATUSES.len()),
            problems: counters(Code::ALL.len()),
            cut: [const { AtomicU64::new(0) }; CutBy::ALL.len()],
            open: AtomicU64::new(0),
            connections_max,
            feeds: Feeds::new(feeds_max),
        }
    }

    /// Counts a connection as open until [`Traffic::closed`].
    pub(crate) fn opened(&self) {
        add(Some(&self.open));
    }

    pub(crate) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts an answer, and the problem that it tells of.
    pub(crate) fn answered(&self, status: u16, problem: Option<Code>) {
        add(self.answers.get(usize::from(status).wrapping_sub(STATUSES.start)));
        if let Some(code) = problem {
            add(self.problems.get(code as usize));
        }
    }

    /// Counts what was answered to a request, and gives it; none if its body broke off, so that there is nobody to answer.
    pub(crate) fn count(&self, response: Response) -> Option<Response> {
        if response.extensions().get::<Cut>().is_some() {
            self.cut(CutBy::Body);
            return None;
        }
        let problem = response.extensions().get::<Told>().map(|Told(code)| *code);
        self.answered(response.status().as_u16(), problem);
        Some(response)
    }

    pub(crate) fn cut(&self, by: CutBy) {
        add(self.cut.get(by as usize));
    }

    /// What was counted.
    pub(crate) fn families(&self) -> Vec<Family> {
        let read = |counter: &AtomicU64| Some(counter.load(Ordering::Relaxed)).filter(|count| *count > 0);
        let mut answers =
            Family::new(Kind::Counter, "wharf_http_answers_total", "Answers, by their status.", &["status"]);
        for (status, count) in STATUSES.zip(&self.answers) {
            read(count).into_iter().for_each(|count| answers.push(&[&status.to_string()], Reading::Count(count)));
        }
        let mut problems =
            Family::new(Kind::Counter, "wharf_http_problems_total", "Refused requests, by their code.", &["code"]);
        for (code, count) in Code::ALL.iter().zip(&self.problems) {
            read(count).into_iter().for_each(|count| problems.push(&[code.as_str()], Reading::Count(count)));
        }
        let help =
            "Connections that were ended because a request or the reading of its answer was too slow or broke off.";
        let mut cut = Family::new(Kind::Counter, "wharf_http_cut_total", help, &["by"]);
        for (by, count) in CutBy::ALL.into_iter().zip(&self.cut) {
            cut.push(&[by.name()], Reading::Count(count.load(Ordering::Relaxed)));
        }
        let gauge = |name, help, value| Family::of_one(Kind::Gauge, name, help, Reading::Count(value));
        vec![
            answers,
            problems,
            cut,
            gauge("wharf_http_connections", "Open connections.", self.open.load(Ordering::Relaxed)),
            gauge("wharf_http_connections_max", "Connections that may be open.", self.connections_max as u64),
            gauge("wharf_http_feeds", "Feeds that are followed.", self.feeds.followed() as u64),
            gauge("wharf_http_feeds_max", "Feeds that may be followed.", self.feeds.max() as u64),
        ]
    }
}

fn add(counter: Option<&AtomicU64>) {
    counter.into_iter().for_each(|counter| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_counted_at_its_place_in_the_registry() {
        let traffic = Traffic::new(1, 1);
        for &code in Code::ALL {
            traffic.answered(code.status(), Some(code));
            assert_eq!(Code::ALL.get(code as usize), Some(&code));
        }
        assert!(traffic.problems.iter().all(|count| count.load(Ordering::Relaxed) == 1));
        let answers: u64 = traffic.answers.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        assert_eq!(answers, Code::ALL.len() as u64);
    }
}
