//! Following the log of one tenant: what is there already, then what comes.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use wharf_delivery::{DeliveryId, Record, TargetRef};
use wharf_dispatch::{Archive, Dispatcher};
use wharf_event::{Position, TenantName};
use wharf_gateway::view::FeedItem;

use super::{blocking, not_in_archive, view};

/// Items on their way to one follower; a slow one makes only itself wait.
const ITEMS_BUFFERED: usize = 256;

/// Frames that are read in one go.
const FRAMES_PER_READ: u64 = 64;

/// What a follower gets.
pub type Feed = ReceiverStream<FeedItem>;

/// Follows `tenant` from a position on, or from now.
pub(super) fn follow(dispatcher: Dispatcher, tenant: TenantName, from: Option<Position>) -> Feed {
    let (items, feed) = mpsc::channel(ITEMS_BUFFERED);
    let from = from.unwrap_or(Position { k: dispatcher.archive().last_k() + 1, i: 0 });
    tokio::spawn(async move {
        let mut k = from.k.max(dispatcher.archive().first_k());
        loop {
            let (archive, of) = (dispatcher.archive().clone(), tenant.clone());
            let read = blocking(move || {
                let until = archive.last_k().min(k + FRAMES_PER_READ - 1);
                let mut found = Vec::new();
                for k in k..=until {
                    found.extend(read_frame(&archive, &of, k, from)?);
                }
                Ok((found, until))
            });
            let (found, until) = match read.await {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!("a feed ends: {error}");
                    return;
                }
            };
            for item in found {
                if items.send(item).await.is_err() {
                    return;
                }
            }
            k = k.max(until + 1);
            tokio::select! {
                more = dispatcher.frame_after(k - 1) => if more.is_none() { return },
                () = items.closed() => return,
            }
        }
    });
    ReceiverStream::new(feed)
}

fn read_frame(
    archive: &Archive,
    tenant: &TenantName,
    k: u64,
    from: Position,
) -> Result<Vec<FeedItem>, wharf_gateway::Refusal> {
    let mut found = Vec::new();
    for item in archive.frame(k).map_err(|error| not_in_archive(&error))? {
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
            let index = ((id.event.i & 0xff) as usize).checked_sub(1)?;
            published.into_iter().nth(index)?.targets.into_iter().nth(n)
        }
        Record::Configure { .. } | Record::Redrive { .. } => None,
    }
}
