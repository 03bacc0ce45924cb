//! Questions that wait for the same run, and all gatherings of them that somebody may join.
//!
//! Invariant: a question is here as long as somebody waits for it ([`Stays`]) and its run has not begun, and no longer. What all together have is
//! counted as they come and go, so a question that joins costs the same however many there are.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use super::{Key, Reads, Told, spent::Spent};
use crate::{
    Tensor,
    limits::{ELEMENTS_MAX, TENSORS_BYTES_MAX},
};

/// How much a question is, or several are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: u32,
    pub(super) bytes: usize,
    pub(super) elements: u64,
}

impl Size {
    pub(super) fn of(tensors: &[Tensor], rows: u32) -> Self {
        let (bytes, elements) = (tensors.iter().map(Tensor::bytes).sum(), tensors.iter().map(Tensor::elements).sum());
        Self { rows, bytes, elements }
    }

    fn with(self, other: Self) -> Self {
        let (bytes, elements) = (self.bytes + other.bytes, self.elements + other.elements);
        Self { rows: self.rows + other.rows, bytes, elements }
    }

    fn without(self, other: Self) -> Self {
        let (bytes, elements) = (self.bytes - other.bytes, self.elements - other.elements);
        Self { rows: self.rows - other.rows, bytes, elements }
    }

    /// Whether it is more than questions may have that are joined. Rows that are filled up are less than as many again.
    fn is_too_much(self, rows_max: u32) -> bool {
        self.rows > rows_max || self.bytes > TENSORS_BYTES_MAX / 2 || self.elements > ELEMENTS_MAX / 2
    }
}

/// A question that waits.
pub(super) struct Question {
    pub(super) tensors: Arc<Vec<Tensor>>,
    pub(super) size: Size,
    pub(super) read: Arc<dyn Reads>,
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Told>,
    pub(super) spent: Arc<Spent>,
}

/// Questions that wait for the same run.
#[derive(Default)]
pub(super) struct Gathering {
    waiting: Mutex<Waiting>,
    /// It waits for nobody any more.
    go: Notify,
    /// The last one went away.
    left: Notify,
}

#[derive(Default)]
struct Waiting {
    /// In the order in which they came.
    questions: BTreeMap<u64, Question>,
    came: u64,
    size: Size,
}

/// Somebody who waits for a question in a gathering: it is taken out with that.
pub(super) struct Stays {
    gathering: Arc<Gathering>,
    number: u64,
}

/// What came of a question that was to be taken into a gathering.
enum Took {
    In { number: u64, full: bool },
    TooMuch(Question),
}

/// All gatherings that somebody may join.
#[derive(Default)]
pub(in crate::pool) struct Gatherings(Mutex<HashMap<Key, Arc<Gathering>>>);

impl Stays {
    pub(super) fn gathering(&self) -> Arc<Gathering> {
        Arc::clone(&self.gathering)
    }
}

impl Drop for Stays {
    fn drop(&mut self) {
        let mut waiting = self.gathering.waiting();
        let Some(gone) = waiting.questions.remove(&self.number) else { return };
        waiting.size = waiting.size.without(gone.size);
        let empty = waiting.questions.is_empty();
        drop(waiting);
        if empty {
            self.gathering.left.notify_one();
        }
    }
}

impl Gathering {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it has to wait for nobody any more.
    pub(super) async fn may_go(&self) {
        self.go.notified().await;
    }

    /// Waits until the last one went away. Others may have come since.
    pub(super) async fn is_left(&self) {
        self.left.notified().await;
    }

    /// Takes a question, unless that is too much with the others, and says whether it is full then.
    fn take(&self, question: Question, rows_max: u32) -> Took {
        let mut waiting = self.waiting();
        let size = waiting.size.with(question.size);
        let too_much = size.is_too_much(rows_max);
        if too_much && !waiting.questions.is_empty() {
            return Took::TooMuch(question);
        }
        let number = waiting.came;
        waiting.came += 1;
        waiting.size = size;
        waiting.questions.insert(number, question);
        Took::In { number, full: too_much || size.rows == rows_max }
    }
}

impl Gatherings {
    fn open(&self) -> MutexGuard<'_, HashMap<Key, Arc<Gathering>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a question to those of its key, and says whether they are a gathering that is new, and has to be seen to. One in `haste` has no time to
    /// wait for others.
    pub(super) fn join(&self, key: &Key, mut question: Question, haste: bool) -> (Stays, bool) {
        let mut open = self.open();
        loop {
            let (gathering, is_new) = match open.get(key) {
                Some(there) => (Arc::clone(there), false),
                None => (Arc::default(), true),
            };
            match gathering.take(question, key.batch.rows) {
                Took::In { number, full } => {
                    if full {
                        open.remove(key);
                    } else if is_new {
                        open.insert(key.clone(), Arc::clone(&gathering));
                    }
                    drop(open);
                    if full || haste {
                        gathering.go.notify_one();
                    }
                    return (Stays { gathering, number }, is_new);
                }
                // That one goes as it is, and an empty one takes whatever comes.
                Took::TooMuch(left) => {
                    open.remove(key);
                    gathering.go.notify_one();
                    question = left;
                }
            }
        }
    }

    /// Lets nobody join any more; gives those who still wait.
    pub(super) fn close(&self, key: &Key, gathering: &Arc<Gathering>) -> Vec<Question> {
        let mut open = self.open();
        remove(&mut open, key, gathering);
        drop(open);
        let mut waiting = mem::take(&mut *gathering.waiting());
        waiting.questions.retain(|_, question| !question.reply.is_closed());
        waiting.questions.into_values().collect()
    }

    /// Lets nobody join any more where nobody waits; whether that is so.
    pub(super) fn close_empty(&self, key: &Key, gathering: &Arc<Gathering>) -> bool {
        let mut open = self.open();
        let empty = gathering.waiting().questions.is_empty();
        if empty {
            remove(&mut open, key, gathering);
        }
        empty
    }

    /// Questions that wait and that others may join, and in how many gatherings.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> (usize, usize) {
        let open = self.open();
        (open.values().map(|it| it.waiting().questions.len()).sum(), open.len())
    }
}

fn remove(open: &mut HashMap<Key, Arc<Gathering>>, key: &Key, gathering: &Arc<Gathering>) {
    if open.get(key).is_some_and(|there| Arc::ptr_eq(there, gathering)) {
        open.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pool::Batch;

    const ROWS: u32 = 8;

    fn size(rows: u32, bytes: usize, elements: u64) -> Size {
        Size { rows, bytes, elements }
    }

    fn key() -> Key {
        Key { of: Default::default(), form: Vec::new(), batch: Batch { rows: ROWS, wait: Duration::ZERO } }
    }

    /// Has questions of these sizes join; gives who waits for them, and which of them began a gathering.
    fn join(gatherings: &Gatherings, sizes: &[Size]) -> (Vec<Stays>, Vec<bool>) {
        let question = |size: &Size| Question {
            tensors: Arc::default(),
            size: *size,
            read: Arc::new(|| Ok(Vec::new())),
            deadline: Instant::now(),
            reply: oneshot::channel().0,
            spent: Arc::default(),
        };
        sizes.iter().map(|size| gatherings.join(&key(), question(size), false)).unzip()
    }

    fn counted(gathering: &Gathering) -> Size {
        gathering.waiting().size
    }

    #[test]
    fn rows_bytes_and_elements_of_all_together_are_bounded() {
        let (bytes, elements) = (TENSORS_BYTES_MAX / 2, ELEMENTS_MAX / 2);
        for (quarter, rest) in [
            (size(2, 1, 1), size(3, 1, 1)),
            (size(1, bytes / 4, 1), size(1, bytes / 4 + 1, 1)),
            (size(1, 1, elements / 4), size(1, 1, elements / 4 + 1)),
        ] {
            let gatherings = Gatherings::default();
            let (stay, new) = join(&gatherings, &[quarter, quarter, quarter, rest]);
            assert_eq!(new, [true, false, false, true], "the last one is too much for the others: {rest:?}");
            assert_eq!(gatherings.waiting(), (1, 1), "and nobody joins those any more");
            assert_eq!((stay[0].number, stay[2].number, stay[3].number), (0, 2, 0));
            assert_eq!(counted(&stay[3].gathering), rest);
        }
        for much in [size(1, bytes + 1, 1), size(1, 1, elements + 1), size(ROWS, 1, 1)] {
            let gatherings = Gatherings::default();
            assert_eq!(join(&gatherings, &[much, much]).1, [true, true], "it is full with that one: {much:?}");
            assert_eq!(gatherings.waiting(), (0, 0));
        }
    }

    #[test]
    fn whoever_goes_away_leaves_its_room_to_others_and_an_empty_gathering_ends() {
        let gatherings = Gatherings::default();
        let (mut stay, _) = join(&gatherings, &[size(3, 10, 5), size(4, 20, 6)]);
        let gathering = stay[0].gathering();
        drop(stay.remove(0));
        assert_eq!((counted(&gathering), gatherings.waiting()), (size(4, 20, 6), (1, 1)));
        let (more, new) = join(&gatherings, &[size(3, 1, 1)]);
        assert_eq!((new, counted(&gathering)), (vec![false], size(7, 21, 7)));
        assert!(!gatherings.close_empty(&key(), &gathering));
        drop((stay, more));
        assert_eq!((counted(&gathering), gatherings.waiting()), (Size::default(), (0, 1)));
        assert!(gatherings.close_empty(&key(), &gathering));
        assert_eq!(gatherings.waiting(), (0, 0));
    }
}
