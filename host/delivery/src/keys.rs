//! The keys of the tables.
//!
//! docs/design/records.md describes the bytes. Names hold no zero byte, so a zero separates them; what may hold anything
//! comes last. Numbers are big endian, so that keys sort as what they stand for.

use wharf_event::{
    BucketName, BusName, OrderingKey, PluginName, Position, QueueName, ReplayName, ScheduleName, Target, TenantName,
};

use crate::{BudgetOf, DeliveryId, ObjectKind, ObjectName};

/// What stands behind the tenant in the key of an answer.
const ANSWERS: u8 = 1;

/// The same in the key of a sum.
const SPENT: u8 = 2;

/// The same in the key by which a message finds another's answers.
const SHARES: u8 = 3;

fn join(parts: &[&[u8]], rest: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(parts.iter().map(|part| part.len() + 1).sum::<usize>() + rest);
    for part in parts {
        key.extend_from_slice(part);
        key.push(0);
    }
    key
}

/// `tenant 0`: the prefix of everything of a tenant.
#[must_use]
pub fn tenant(tenant: &TenantName) -> Vec<u8> {
    join(&[tenant.as_str().as_bytes()], 0)
}

/// Behind all rows of a tenant, and before those of any other that come later.
#[must_use]
pub fn behind_tenant(tenant: &TenantName) -> Vec<u8> {
    [tenant.as_str().as_bytes(), &[1]].concat()
}

/// `tenant 0 bucket 0`: a bucket's row, and the prefix of its values.
#[must_use]
pub fn bucket(tenant: &TenantName, bucket: &BucketName) -> Vec<u8> {
    join(&[tenant.as_str().as_bytes(), bucket.as_str().as_bytes()], 0)
}

/// `tenant 0 bucket 0 key`.
#[must_use]
pub fn value(tenant: &TenantName, bucket: &BucketName, key: &str) -> Vec<u8> {
    let mut bytes = join(&[tenant.as_str().as_bytes(), bucket.as_str().as_bytes()], key.len());
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

/// `tenant 0 kind`: the prefix of a tenant's objects of one kind.
#[must_use]
pub fn objects(tenant: &TenantName, kind: ObjectKind) -> Vec<u8> {
    let mut bytes = join(&[tenant.as_str().as_bytes()], 1);
    bytes.push(kind.number());
    bytes
}

/// `tenant 0 kind name`.
#[must_use]
pub fn object(tenant: &TenantName, kind: ObjectKind, name: &ObjectName) -> Vec<u8> {
    let mut bytes = objects(tenant, kind);
    bytes.extend_from_slice(name.as_str().as_bytes());
    bytes
}

/// `tenant 0 schedule 0`: when a schedule is due.
#[must_use]
pub fn schedule(tenant: &TenantName, schedule: &ScheduleName) -> Vec<u8> {
    join(&[tenant.as_str().as_bytes(), schedule.as_str().as_bytes()], 0)
}

/// `tenant 0 queue 0`: a queue's row, and the prefix of its dead letters.
#[must_use]
pub fn queue(tenant: &TenantName, queue: &QueueName) -> Vec<u8> {
    join(&[tenant.as_str().as_bytes(), queue.as_str().as_bytes()], 0)
}

/// `tenant 0 queue 0 delivery`.
#[must_use]
pub fn dead_letter(tenant: &TenantName, queue: &QueueName, delivery: DeliveryId) -> Vec<u8> {
    let mut bytes = join(&[tenant.as_str().as_bytes(), queue.as_str().as_bytes()], DeliveryId::KEY_LEN);
    bytes.extend_from_slice(&delivery.to_key());
    bytes
}

/// `tenant 0 @bus 0`: what waits of a bus, which is the name of no target.
#[must_use]
pub fn bus_size(tenant: &TenantName, bus: &BusName) -> Vec<u8> {
    join(&[tenant.as_str().as_bytes(), format!("@{bus}").as_bytes()], 0)
}

/// `tenant 0 target 0`: the prefix of everything that waits for a target: its lane.
#[must_use]
pub fn lane(tenant: &TenantName, target: &Target) -> Vec<u8> {
    lane_and(tenant, target, 0)
}

/// `tenant 0 target 0`, with room for so many bytes behind it.
fn lane_and(tenant: &TenantName, target: &Target, rest: usize) -> Vec<u8> {
    let [before, name] = target.spelled();
    let mut key = join(&[tenant.as_str().as_bytes()], before.len() + name.len() + 1 + rest);
    key.extend_from_slice(before.as_bytes());
    key.extend_from_slice(name.as_bytes());
    key.push(0);
    key
}

/// `tenant 0 target 0 key 0`: the prefix of the deliveries to a target that have an ordering key.
#[must_use]
pub fn line(tenant: &TenantName, target: &Target, key: &OrderingKey) -> Vec<u8> {
    let mut line = lane_and(tenant, target, key.as_str().len() + 1 + DeliveryId::KEY_LEN);
    line.extend_from_slice(key.as_str().as_bytes());
    line.push(0);
    line
}

/// `tenant 0 target 0 key 0 delivery`.
#[must_use]
pub fn behind(tenant: &TenantName, target: &Target, key: &OrderingKey, id: DeliveryId) -> Vec<u8> {
    let mut bytes = line(tenant, target, key);
    bytes.extend_from_slice(&id.to_key());
    bytes
}

/// `tenant 0 target 0 0`: the prefix of the deliveries that wait for their first attempt, in log order.
#[must_use]
pub fn first_attempts(tenant: &TenantName, target: &Target) -> Vec<u8> {
    let mut bytes = lane_and(tenant, target, 1);
    bytes.push(0);
    bytes
}

/// `tenant 0 target 0 timed delivery`: timed = 0 waits for its first attempt, 1 for its time.
#[must_use]
pub fn delivery(tenant: &TenantName, target: &Target, timed: bool, id: DeliveryId) -> Vec<u8> {
    let mut bytes = lane_and(tenant, target, 1 + DeliveryId::KEY_LEN);
    bytes.push(u8::from(timed));
    bytes.extend_from_slice(&id.to_key());
    bytes
}

/// `tenant 0 target 0 leased`: the prefix of a queue's messages that somebody has, or that are hidden otherwise.
#[must_use]
pub fn hidden_by(tenant: &TenantName, target: &Target, leased: bool) -> Vec<u8> {
    let mut bytes = lane_and(tenant, target, 1 + 8 + DeliveryId::KEY_LEN);
    bytes.push(u8::from(leased));
    bytes
}

/// `tenant 0 target 0 leased until delivery`: messages of a queue in the order in which they come back.
#[must_use]
pub fn hidden(tenant: &TenantName, target: &Target, leased: bool, until_ms: u64, id: DeliveryId) -> Vec<u8> {
    let mut bytes = hidden_by(tenant, target, leased);
    bytes.extend_from_slice(&until_ms.to_be_bytes());
    bytes.extend_from_slice(&id.to_key());
    bytes
}

/// The time until which a message is hidden, in milliseconds, of its key.
#[must_use]
pub fn hidden_until(key: &[u8]) -> Option<u64> {
    let time = key.get(key.len().checked_sub(8 + DeliveryId::KEY_LEN)?..)?;
    time.first_chunk().map(|time| u64::from_be_bytes(*time))
}

/// `due` and the delivery's key: timers in the order in which they are due.
#[must_use]
pub fn timer(due_ms: u64, delivery: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + delivery.len());
    bytes.extend_from_slice(&due_ms.to_be_bytes());
    bytes.extend_from_slice(delivery);
    bytes
}

/// The time of a timer's key, in milliseconds, and the key of its delivery.
#[must_use]
pub fn timer_parts(key: &[u8]) -> Option<(u64, &[u8])> {
    let (due, delivery) = key.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*due), delivery))
}

/// The delivery in a key that ends with one.
#[must_use]
pub fn delivery_of(key: &[u8]) -> Option<DeliveryId> {
    DeliveryId::from_key(key.get(key.len().checked_sub(DeliveryId::KEY_LEN)?..)?)
}

/// Tenant and target of a delivery's key.
#[must_use]
pub fn lane_of(key: &[u8]) -> Option<(TenantName, Target)> {
    let mut parts = key.splitn(3, |&byte| byte == 0);
    let mut name = || std::str::from_utf8(parts.next()?).ok();
    Some((name()?.parse().ok()?, name()?.parse().ok()?))
}

/// `tenant 0 position`: how far an event came that is owed to very many.
#[must_use]
pub fn fan_out(tenant: &TenantName, event: Position) -> Vec<u8> {
    let position = event.to_bytes();
    let mut bytes = join(&[tenant.as_str().as_bytes()], position.len());
    bytes.extend_from_slice(&position);
    bytes
}

/// Tenant and event of such a key.
#[must_use]
pub fn fan_out_parts(key: &[u8]) -> Option<(TenantName, Position)> {
    let mut parts = key.splitn(2, |&byte| byte == 0);
    let tenant = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    Some((tenant, Position::from_bytes(parts.next()?)?))
}

/// `tenant 0 1 delivery`: the prefix of what models answered for a delivery.
#[must_use]
pub fn answers(tenant: &TenantName, delivery: DeliveryId) -> Vec<u8> {
    let mut bytes = join(&[tenant.as_str().as_bytes()], 1 + DeliveryId::KEY_LEN + size_of::<u32>());
    bytes.push(ANSWERS);
    bytes.extend_from_slice(&delivery.to_key());
    bytes
}

/// `tenant 0 1 delivery call`.
#[must_use]
pub fn answer(tenant: &TenantName, delivery: DeliveryId, call: u32) -> Vec<u8> {
    let mut bytes = answers(tenant, delivery);
    bytes.extend_from_slice(&call.to_be_bytes());
    bytes
}

/// Tenant, delivery and call of such a key.
#[must_use]
pub fn answer_parts(key: &[u8]) -> Option<(TenantName, DeliveryId, u32)> {
    let mut parts = key.splitn(2, |&byte| byte == 0);
    let tenant = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let (delivery, call) = parts.next()?.strip_prefix(&[ANSWERS])?.split_at_checked(DeliveryId::KEY_LEN)?;
    Some((tenant, DeliveryId::from_key(delivery)?, u32::from_be_bytes(call.try_into().ok()?)))
}

/// `tenant 0 2`: the prefix of what asking models cost a tenant.
#[must_use]
pub fn spents(tenant: &TenantName) -> Vec<u8> {
    let mut bytes = join(&[tenant.as_str().as_bytes()], 1);
    bytes.push(SPENT);
    bytes
}

/// `tenant 0 3`: what lies behind that.
pub(crate) fn behind_spents(tenant: &TenantName) -> Vec<u8> {
    let mut bytes = join(&[tenant.as_str().as_bytes()], 1);
    bytes.push(SPENT + 1);
    bytes
}

/// `tenant 0 2 hour`: the beginning of what asking models cost in an hour.
#[must_use]
pub fn spent_hour(tenant: &TenantName, hour: u32) -> Vec<u8> {
    let mut bytes = spents(tenant);
    bytes.extend_from_slice(&hour.to_be_bytes());
    bytes
}

/// `tenant 0 2 hour of`.
#[must_use]
pub fn spent(tenant: &TenantName, hour: u32, of: &BudgetOf) -> Vec<u8> {
    let mut bytes = spent_hour(tenant, hour);
    bytes.extend_from_slice(of.to_string().as_bytes());
    bytes
}

/// The hour of such a key, and whose it is.
#[must_use]
pub fn spent_parts(key: &[u8]) -> Option<(u32, BudgetOf)> {
    let behind = key.splitn(2, |&byte| byte == 0).nth(1)?.strip_prefix(&[SPENT])?;
    let (hour, of) = behind.split_first_chunk()?;
    Some((u32::from_be_bytes(*hour), BudgetOf::of_text(std::str::from_utf8(of).ok()?)?))
}

/// `tenant 0 3 delivery`: the prefix of whose answers a message finds.
#[must_use]
pub fn shares(tenant: &TenantName, message: DeliveryId) -> Vec<u8> {
    let mut bytes = join(&[tenant.as_str().as_bytes()], 1 + 2 * DeliveryId::KEY_LEN);
    bytes.push(SHARES);
    bytes.extend_from_slice(&message.to_key());
    bytes
}

/// `tenant 0 3 delivery of`: a message finds the answers that are kept of that delivery.
#[must_use]
pub fn share(tenant: &TenantName, message: DeliveryId, of: DeliveryId) -> Vec<u8> {
    let mut bytes = shares(tenant, message);
    bytes.extend_from_slice(&of.to_key());
    bytes
}

/// Tenant, message, and whose answers it finds, of such a key.
#[must_use]
pub fn share_parts(key: &[u8]) -> Option<(TenantName, DeliveryId, DeliveryId)> {
    let mut parts = key.splitn(2, |&byte| byte == 0);
    let tenant = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let (message, of) = parts.next()?.strip_prefix(&[SHARES])?.split_at_checked(DeliveryId::KEY_LEN)?;
    Some((tenant, DeliveryId::from_key(message)?, DeliveryId::from_key(of)?))
}

/// `tenant 0 0`: how many bytes a tenant has of what models answered. (No target has an empty name.)
#[must_use]
pub fn answers_size(tenant: &TenantName) -> Vec<u8> {
    join(&[tenant.as_str().as_bytes(), b""], 0)
}

/// `tenant 0 replay 0`.
#[must_use]
pub fn replay(tenant: &TenantName, replay: &ReplayName) -> Vec<u8> {
    join(&[tenant.as_str().as_bytes(), replay.as_str().as_bytes()], 0)
}

/// `tenant 0 hour`: the beginning of what a tenant used in an hour.
#[must_use]
pub fn usage_hour(tenant: &TenantName, hour: u32) -> Vec<u8> {
    let mut bytes = join(&[tenant.as_str().as_bytes()], size_of::<u32>());
    bytes.extend_from_slice(&hour.to_be_bytes());
    bytes
}

/// `tenant 0 hour plugin`.
#[must_use]
pub fn usage(tenant: &TenantName, hour: u32, plugin: &PluginName) -> Vec<u8> {
    let mut bytes = join(&[tenant.as_str().as_bytes()], size_of::<u32>() + plugin.as_str().len());
    bytes.extend_from_slice(&hour.to_be_bytes());
    bytes.extend_from_slice(plugin.as_str().as_bytes());
    bytes
}

/// Hour and plugin of a key of usage.
#[must_use]
pub fn usage_parts(key: &[u8]) -> Option<(u32, PluginName)> {
    let behind = key.splitn(2, |&byte| byte == 0).nth(1)?;
    let (hour, plugin) = behind.split_first_chunk()?;
    Some((u32::from_be_bytes(*hour), std::str::from_utf8(plugin).ok()?.parse().ok()?))
}

/// Tenant, kind and name of an object's key.
#[must_use]
pub fn object_parts(key: &[u8]) -> Option<(TenantName, ObjectKind, &str)> {
    let mut parts = key.splitn(2, |&byte| byte == 0);
    let tenant = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let (kind, name) = parts.next()?.split_first()?;
    Some((tenant, ObjectKind::from_number(*kind)?, std::str::from_utf8(name).ok()?))
}

/// The tenant of a key `tenant 0 …`.
#[must_use]
pub fn first(key: &[u8]) -> Option<TenantName> {
    let name = key.split(|&byte| byte == 0).next()?;
    std::str::from_utf8(name).ok()?.parse().ok()
}

/// The text behind two names in a key `tenant 0 name 0 text`.
#[must_use]
pub fn third(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.splitn(3, |&byte| byte == 0).nth(2)?).ok()
}

/// The name behind the tenant in a key `tenant 0 name 0`.
#[must_use]
pub fn second<T: std::str::FromStr>(key: &[u8]) -> Option<T> {
    let name = key.split(|&byte| byte == 0).nth(1)?;
    std::str::from_utf8(name).ok()?.parse().ok()
}
