//! Questions to one version of a model that wait at the same time, answered by one run of it.
//!
//! Invariant: a question is asked with others of its tenant only, which are put to the same version and have its form. What comes of it is its own: its
//! answer, its time, and its failure, since each is asked alone where a run of several fails. Whoever goes away is left out, and a run that nobody waits
//! for any more is ended.

mod gathering;
mod learned;
mod spent;

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use super::{Inner, Place, Pool, Ran, Reads, Wanted, Which};
use crate::{
    Failed, Tensor, Values,
    fitting::within_bounds,
    joining::{Form, cut, form, join},
    worker::Leash,
};
use gathering::{Gathering, Question, Size};
use spent::{Spent, part};

pub(super) use gathering::Gatherings;
pub(super) use learned::Learned;

/// How questions to a model are asked together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    /// Rows of one run at most.
    pub rows: u32,
    /// How long the first question waits for others, though a worker is free.
    pub wait: Duration,
}

/// What questions have in common that are asked together.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    of: Which,
    form: Form,
    batch: Batch,
}

/// A question that may be asked together with others.
pub(super) struct Joinable {
    key: Key,
    size: Size,
}

/// What came of a question.
struct Told {
    outputs: Result<Vec<Tensor>, Failed>,
    took: Duration,
    shared: Option<u32>,
}

impl Told {
    fn failed(failed: Failed, took: Duration) -> Self {
        Self { outputs: Err(failed), took, shared: None }
    }
}

impl Pool {
    /// Whether a question may be asked together with others.
    pub(super) fn joins(&self, wanted: &Wanted, tensors: &[Tensor]) -> Option<Joinable> {
        let batch = wanted.batch?;
        within_bounds(tensors).ok()?;
        let (form, rows) = form(tensors)?;
        let of = (wanted.tenant.clone(), wanted.model.clone());
        let joins = rows <= batch.rows && !self.0.learned.is_apart(&of);
        joins.then(|| Joinable { key: Key { of, form, batch }, size: Size::of(tensors, rows) })
    }

    /// Asks together with others that come in time.
    pub(super) async fn together(
        &self,
        timeout: Duration,
        Joinable { key, size }: Joinable,
        read: Arc<dyn Reads>,
        tensors: Vec<Tensor>,
    ) -> Ran {
        let asked = Instant::now();
        let deadline = asked + timeout;
        let ((reply, told), spent) = (oneshot::channel(), Arc::<Spent>::default());
        let tensors = Arc::new(tensors);
        let question = Question { tensors, size, read, deadline, reply, spent: Arc::clone(&spent) };
        let (stays, is_new) = self.0.gatherings.join(&key, question, key.batch.wait * 2 > timeout);
        if is_new {
            tokio::spawn(Self(Arc::clone(&self.0)).see_to(key, stays.gathering()));
        }
        let told = tokio::time::timeout_at(deadline, told).await;
        // It does not wait with the others any more.
        drop(stays);
        let all = asked.elapsed();
        let Told { outputs, took, shared } = match told {
            Ok(Ok(told)) => told,
            Ok(Err(_)) => {
                Told::failed(Failed::Host("the host failed while it asked a model".to_owned()), spent.so_far())
            }
            Err(_) if spent.runs() => Told::failed(Failed::Timeout, spent.so_far()),
            Err(_) => Told::failed(Failed::Busy, spent.so_far()),
        };
        Ran { outputs, took, waited: all.saturating_sub(took), asked: spent.has_asked(), shared }
    }

    /// Waits for others and for a place, and asks. Ends before that where all have gone.
    async fn see_to(self, key: Key, gathering: Arc<Gathering>) {
        if !key.batch.wait.is_zero() {
            // Either way it goes on.
            let _ = tokio::time::timeout(key.batch.wait, gathering.may_go()).await;
        }
        // As long as no place is free others still join.
        let place = {
            let mut place = pin!(self.place(&key.of.0));
            loop {
                tokio::select! {
                    place = &mut place => break place,
                    () = gathering.is_left() => {
                        if self.0.gatherings.close_empty(&key, &gathering) {
                            return;
                        }
                    }
                }
            }
        };
        let mut questions = self.0.gatherings.close(&key, &gathering);
        let place = match place {
            Ok(place) => place,
            Err(failed) => return tell_all(questions, &failed),
        };
        match (questions.pop(), questions.is_empty()) {
            (Some(only), true) => self.alone(key, only, Some(place)).await,
            (Some(last), false) => {
                questions.push(last);
                self.run_together(key, questions, place).await;
            }
            (None, _) => {}
        }
    }

    /// Asks several questions in one run, or each alone where that does not answer them.
    async fn run_together(self, key: Key, mut questions: Vec<Question>, place: Place) {
        let rows: Vec<u32> = questions.iter().map(|question| question.size.rows).collect();
        let all = rows.iter().sum::<u32>();
        let latest = questions.iter().map(|question| question.deadline).max().unwrap_or_else(Instant::now);
        let leash = Arc::<Leash>::default();
        questions.iter().for_each(|question| question.spent.begin((question.size.rows, all), &leash));
        let filled = filled(&questions, all, key.batch.rows);
        let Some(read) = questions.first().map(|question| Arc::clone(&question.read)) else { return };
        let (of, tensors) = (key.of.clone(), questions.iter().map(|it| Arc::clone(&it.tensors)).collect::<Vec<_>>());
        let ask = move |inner: &Arc<Inner>, leash: &Leash| {
            let parts: Vec<&[Tensor]> = tensors.iter().map(|tensors| tensors.as_slice()).collect();
            let (outputs, took) = inner.ask(of, &*read, &join(&parts, filled), leash)?;
            Ok((cut(&outputs, &rows, filled), took))
        };
        let nobody_waits = async {
            for question in &mut questions {
                question.reply.closed().await;
            }
        };
        let answered = tokio::select! {
            answered = self.until(latest, (place, &leash), ask) => answered,
            // Where all had to go since their time was over, it took too long.
            () = nobody_waits => match Instant::now() < latest {
                true => return,
                false => Err(Failed::Timeout),
            },
        };
        let learned = &self.0.learned;
        match answered {
            Ok((Some(parts), took)) => {
                learned.answered(&key.of);
                return answer(questions, parts, (took, all));
            }
            Ok((None, _)) => learned.set_apart(&key.of),
            // Whatever the host suffers, it would suffer again; and nobody has time for another run.
            Err(failed @ (Failed::Unfit(_) | Failed::Host(_))) => return tell_all(questions, &failed),
            Err(Failed::Timeout) => {
                learned.failed(&key.of);
                return tell_all(questions, &Failed::Timeout);
            }
            // It may be the fault of one of them, or of how many they are.
            Err(_) => learned.failed(&key.of),
        }
        for question in questions {
            question.spent.end();
            tokio::spawn(Self(Arc::clone(&self.0)).alone(key.clone(), question, None));
        }
    }

    /// Asks one question alone.
    async fn alone(self, key: Key, question: Question, place: Option<Place>) {
        let Question { tensors, size: Size { rows, .. }, read, deadline, mut reply, spent } = question;
        let (of, tenant) = (key.of.clone(), key.of.0);
        let asking = async {
            let place = match place {
                Some(place) => place,
                None => self.place_until(&tenant, deadline).await?,
            };
            let leash = Arc::<Leash>::default();
            spent.begin((rows, rows), &leash);
            let ask = move |inner: &Arc<Inner>, leash: &Leash| inner.ask(of, &*read, &tensors, leash);
            self.until(deadline, (place, &leash), ask).await
        };
        let answered = tokio::select! {
            answered = asking => answered,
            () = reply.closed() => return,
        };
        let told = match answered {
            Ok((outputs, took)) => Told { outputs: Ok(outputs), took: spent.before() + took, shared: Some(1) },
            Err(failed) => Told::failed(failed, spent.end()),
        };
        // Who went away in that moment needs no answer.
        let _ = reply.send(told);
    }
}

/// As how many rows these are asked. A model is made ready for each number of rows, so there are few of them. A text may be long: its row is not given
/// again and again.
fn filled(questions: &[Question], all: u32, rows_max: u32) -> u32 {
    let of_texts = |question: &Question| question.tensors.iter().any(|it| matches!(it.values, Values::String(_)));
    match questions.first().is_some_and(of_texts) {
        true => all,
        false => all.checked_next_power_of_two().unwrap_or(all).min(rows_max).max(all),
    }
}

/// Tells each its part of an answer, and one of them how many there are.
fn answer(questions: Vec<Question>, parts: Vec<Vec<Tensor>>, (took, all): (Duration, u32)) {
    let waiting = questions.iter().filter(|question| !question.reply.is_closed()).count();
    let mut shared = u32::try_from(waiting).ok();
    for (Question { reply, size, .. }, outputs) in questions.into_iter().zip(parts) {
        let told = Told { outputs: Ok(outputs), took: part(took, size.rows, all), shared };
        if reply.send(told).is_ok() {
            shared = None;
        }
    }
}

/// Tells each the same failure, and what it has spent.
fn tell_all(questions: Vec<Question>, failed: &Failed) {
    for Question { reply, spent, .. } in questions {
        // Who went away needs no reason.
        let _ = reply.send(Told::failed(failed.clone(), spent.end()));
    }
}

#[cfg(test)]
mod tests;
