//! Judges what plugins did for requests that they answered: a record follows from one of them, which read what was current; what was said to be
//! kept is there, all of it, and what was said not to be is not. What an answer may follow from is there, whatever the answer says.

use std::collections::BTreeMap;

use bytes::Bytes;
use wharf_delivery::{Read, ReadKey, Record};
use wharf_dispatch::Item;
use wharf_event::Position;

use super::{
    Wrong,
    log::{Key, Log},
    settles::come_to,
};
use crate::{observed::Seen, rules, web::Asked};

/// What requests left in the log.
#[derive(Default)]
pub(super) struct Web(Vec<String>);

/// A plugin stored something for a request.
pub(super) fn take(log: &mut Log<'_>, item: &Item, seen: &Seen, wrong: &mut Wrong) {
    let Record::Served { tenant, plugin, request, writes } = &item.record else { return };
    let (tenant, at) = (tenant.as_str(), item.position);
    log.tenants.accepts(tenant, at, wrong);
    let asked = seen.asked.iter().find(|one| (&*one.tenant, &one.request) == (tenant, request));
    match asked {
        Some(asked) => judge(log, item, asked, wrong),
        None => wrong.say(format!("at {at} something is stored for {request}, which nobody answered")),
    }
    wrong.unless(plugin.as_str() == rules::WEB, || format!("{plugin} answers no requests"));
    wrong.unless(!log.web.0.contains(request), || format!("{request} is kept twice, at {at} again"));
    log.web.0.push(request.clone());
    for write in writes {
        let key = (tenant.to_owned(), write.bucket.to_string(), write.key.clone());
        log.write(key, at, write.value.clone());
    }
}

fn judge(log: &Log<'_>, item: &Item, asked: &Asked, wrong: &mut Wrong) {
    let Record::Served { tenant, request, writes, .. } = &item.record else { return };
    let at = item.position;
    for Read { key, version } in &asked.reads {
        let now = log.version_of(tenant.as_str(), key);
        wrong.unless(now == *version, || {
            format!("{request} is kept at {at}, and read {key:?} at {version} where {now} was current")
        });
    }
    let place = |write: &wharf_delivery::ValueWrite| (tenant.to_string(), write.bucket.to_string(), write.key.clone());
    let recorded: BTreeMap<Key, Option<Bytes>> =
        writes.iter().map(|write| (place(write), write.value.clone())).collect();
    let expected = come_to(log, tenant.as_str(), &asked.writes);
    wrong.unless(recorded == expected, || format!("{request} stores {recorded:?} at {at}, and meant {expected:?}"));
}

/// All or nothing of each is there, as was told.
pub(super) fn check(seen: &Seen, log: &Log<'_>, wrong: &mut Wrong) {
    for asked in &seen.asked {
        follows(asked, log, wrong);
        let Asked { tenant, request, events, writes, kept, .. } = asked;
        let stored = log.web.0.contains(request);
        let taken = |id: &str, source: &str| {
            let identity = (tenant.clone(), "default".to_owned(), source.to_owned(), id.to_owned());
            log.accepted.get(&identity).is_some_and(|all| !all.is_empty())
        };
        let own = || events.iter().filter(|event| event.id().starts_with(&**request));
        if *kept == Some(true) {
            wrong.unless(stored != writes.is_empty(), || format!("{request} was kept, and its values are not there"));
            let lost = events.iter().find(|event| !taken(event.id(), event.source()));
            wrong.unless(lost.is_none(), || {
                format!("{request} was kept, and {:?} is not there", lost.map(|it| it.id()))
            });
        } else {
            let some = own().any(|event| taken(event.id(), event.source()));
            wrong.unless(*kept != Some(false) || (!stored && !some), || {
                format!("{request} was not kept, and some of it is there")
            });
            // Nobody was told: all of it or nothing.
            let all = own().all(|event| taken(event.id(), event.source()));
            let whole = !writes.is_empty() && own().next().is_some();
            wrong.unless(!whole || (stored == all && stored == some), || format!("half of {request} is there"));
        }
    }
}

/// What was read for an answer that left is in the log.
fn follows(asked: &Asked, log: &Log<'_>, wrong: &mut Wrong) {
    let Asked { tenant, request, reads, left, .. } = asked;
    for Read { key, version } in reads.iter().filter(|_| *left) {
        let ReadKey::Value(bucket, name) = key else { continue };
        // Absent, or seen at two versions, which is none.
        let is_one = *version != Position::ZERO && version.k != u64::MAX;
        let place = || ((tenant.clone(), bucket.to_string(), name.clone()), *version);
        wrong.unless(!is_one || log.written.contains_key(&place()), || {
            format!("{request} was answered, and read {bucket}/{name} at {version}, where nothing is")
        });
    }
}
