//! Following the log of one tenant: what is there already, then what comes.
//!
//! Invariant: items leave in log order, none twice and none left out: a feed that comes to what the archive let go of ends, and none begins there. What waits for a slow
//! reader is one frame and [`ITEMS_BUFFERED`] items.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use wharf_delivery::{DeliveryId, Record, TargetRef};
use wharf_dispatch::{Archive, Dispatcher};
use wharf_event::{Code, Position, TenantName};
use wharf_gateway::{Refusal, view::FeedItem};

use super::{blocking, not_in_archive, view};

/// Items on their way to one follower, each of at most an event or a settle; a slow one makes only itself wait.
const ITEMS_BUFFERED: usize = 8;

/// The bits of a position's `i` that number what a record published.
const PUBLISHED_BITS: u32 = 0xff;

/// What a follower gets.
pub type Feed = ReceiverStream<FeedItem>;

/// Follows `tenant` from a position on, or from now; from frame 0, which is in no log, all that is kept. The position of a published event stands for the settle that brought it.
///
/// # Errors
/// When the archive has let go of what was at that position.
pub(super) fn follow(dispatcher: Dispatcher, tenant: TenantName, from: Option<Position>) -> Result<Feed, Refusal> {
    let (items, feed) = mpsc::channel(ITEMS_BUFFERED);
    let now = || Position { k: dispatcher.archive().last_k().saturating_add(1), i: 0 };
    let from = from.map_or_else(now, |from| Position { i: from.i & !PUBLISHED_BITS, ..from });
    if from.k > 0 {
        still_kept(dispatcher.archive(), from)?;
    }
    tokio::spawn(async move {
        let since_k = dispatcher.rules().since_k(&tenant);
        let mut k = from.k.max(dispatcher.archive().first_k()).max(since_k + 1);
        loop {
            // What comes to another tenant of its name is none of its followers'.
            let rules = dispatcher.rules();
            if !rules.has_tenant(&tenant) || rules.since_k(&tenant) != since_k {
                return;
            }
            tokio::select! {
                // Frame 0 is in no log, so what comes after it is there once anything is.
                more = dispatcher.frame_after(k.saturating_sub(1)) => if more.is_none() { return },
                () = items.closed() => return,
            }
            let (archive, of) = (dispatcher.archive().clone(), tenant.clone());
            let found = match blocking(move || read_frame(&archive, &of, k, from)).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(%tenant, "a feed ends: {error}");
                    return;
                }
            };
            for item in found {
                if items.send(item).await.is_err() {
                    return;
                }
            }
            k = k.saturating_add(1);
        }
    });
    Ok(ReceiverStream::new(feed))
}

fn still_kept(archive: &Archive, at: Position) -> Result<(), Refusal> {
    let first = Position { k: archive.first_k(), i: 0 };
    if at.k >= first.k {
        return Ok(());
    }
    let why = format!(
        "what was at {at} is past retention: the archive begins with {first}, and from=0-0 follows all that it has"
    );
    Err(Refusal::new(Code::EventUnknown, why))
}

fn read_frame(archive: &Archive, tenant: &TenantName, k: u64, from: Position) -> Result<Vec<FeedItem>, Refusal> {
    let (mut found, items) = (Vec::new(), archive.frame(k).map_err(|error| not_in_archive(&error))?);
    if items.is_empty() {
        // It may have gone before it was read.
        still_kept(archive, Position { k, i: 0 })?;
    }
    for item in items {
        if item.position >= from {
            found.extend(view::feed(&item, tenant, |id| target(archive, id))?);
        }
    }
    Ok(found)
}

/// The target of a delivery, from the record that brought its event.
fn target(archive: &Archive, id: DeliveryId) -> Option<TargetRef> {
    let n = usize::from(id.n);
    match archive.record(id.event).ok()?.record {
        Record::Accept { targets, .. } => targets.into_iter().nth(n),
        Record::Settle { published, .. } => {
            let index = ((id.event.i & PUBLISHED_BITS) as usize).checked_sub(1)?;
            published.into_iter().nth(index)?.targets.into_iter().nth(n)
        }
        _ => None,
    }
}
