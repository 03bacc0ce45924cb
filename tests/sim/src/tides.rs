//! Tenants that come and go while a history runs: what one is made of, and what clients wish about it.
//!
//! Invariant: a wish to make, suspend or resume one names the version that it was seen in, as the host's adapter does it, so that of
//! two at the same time one comes about. What is made brings all that it needs in one change, and takes nothing of it to be there.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use wharf_delivery::{
    Expected, Object, ObjectKind, ObjectName, ObjectWish, Refused, TenantLife, TenantObject, TenantSettings,
};
use wharf_dispatch::{AskError, ChangeError, Dispatcher};
use wharf_event::{Position, TenantName};

use crate::{client::World, observed::ChangeTold, rng::Rng, rules};

/// Their names. One begins like the other: what is done to one must not meet the other.
pub const TIDES: [&str; 2] = ["tide", "tide-2"];

/// How long somebody waits to be told that nothing of a tenant is left.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a client wishes about one of them: to make it where there is none, else to suspend, resume or delete it.
pub async fn wish(world: &World, dispatcher: &Dispatcher, rng: &mut Rng) {
    let Some(tenant) = rng.pick(&TIDES).and_then(|tenant| tenant.parse::<TenantName>().ok()) else { return };
    let rules = dispatcher.rules();
    let suspended = rules.has_tenant(&tenant).then(|| rules.settings(&tenant).suspended);
    match (suspended, rng.below(10)) {
        (None, _) => make(world, dispatcher, &tenant).await,
        (Some(false), 0..=3) => suspend(world, dispatcher, &tenant, true).await,
        (Some(true), 0..=5) => suspend(world, dispatcher, &tenant, false).await,
        (Some(_), _) => {
            let patience = if rng.chance(60) { PATIENCE } else { Duration::ZERO };
            // Two may ask for it at the same time, and somebody else for a new one at once.
            let again = async {
                if rng.chance(30) {
                    delete(world, dispatcher, &tenant, Duration::ZERO).await;
                }
                if rng.chance(30) {
                    make(world, dispatcher, &tenant).await;
                }
            };
            futures_util::future::join(delete(world, dispatcher, &tenant, patience), again).await;
        }
    }
}

/// Makes those that are not there, most of them.
pub async fn flood(world: &World, dispatcher: &Dispatcher, rng: &mut Rng) {
    for tenant in TIDES.iter().filter_map(|tenant| tenant.parse::<TenantName>().ok()) {
        if rng.chance(80) && !dispatcher.rules().has_tenant(&tenant) {
            make(world, dispatcher, &tenant).await;
        }
    }
}

/// Resumes those that rest.
pub async fn resume_all(world: &World, dispatcher: &Dispatcher) {
    for tenant in TIDES.iter().filter_map(|tenant| tenant.parse::<TenantName>().ok()) {
        if dispatcher.rules().settings(&tenant).suspended {
            suspend(world, dispatcher, &tenant, false).await;
        }
    }
}

/// The object of a tenant, and its version.
async fn held(dispatcher: &Dispatcher, tenant: &TenantName) -> Option<(Position, TenantObject)> {
    let name = ObjectName::from(tenant);
    let read = dispatcher.read(|state| Object::get(state, tenant, ObjectKind::Tenant, &name)).await;
    let object = read.ok()?.ok()??;
    Some((object.version, serde_json::from_slice(&object.document).ok()?))
}

fn own(tenant: &TenantName, since_k: u64, suspended: bool, expected: Expected) -> Option<ObjectWish> {
    let settings = TenantSettings { suspended, ..TenantSettings::default() };
    let object = TenantObject { settings, since_k, ..TenantObject::default() };
    let document = Some(Bytes::from(serde_json::to_vec(&object).ok()?));
    Some(ObjectWish { kind: ObjectKind::Tenant, name: ObjectName::from(tenant), document, expected })
}

async fn make(world: &World, dispatcher: &Dispatcher, tenant: &TenantName) {
    let held = held(dispatcher, tenant).await;
    // Somebody else may have made it since it was missed.
    if held.as_ref().is_some_and(|(_, object)| object.life == TenantLife::Active) {
        return;
    }
    let expected = held.as_ref().map_or(Expected::Absent, |(version, _)| Expected::Version(*version));
    let since_k = held.map_or(0, |(_, object)| object.since_k);
    let furniture = rules::furniture(world.seed, &world.plan).into_iter();
    let furniture = furniture.map(|(kind, name, document)| {
        // Whoever had its name before left nothing.
        ObjectWish { kind, name, document: Some(document), expected: Expected::Absent }
    });
    let wishes: Vec<_> = own(tenant, since_k, false, expected).into_iter().chain(furniture).collect();
    change(world, dispatcher, tenant, wishes, "make").await;
}

async fn suspend(world: &World, dispatcher: &Dispatcher, tenant: &TenantName, suspended: bool) {
    let Some((version, object)) = held(dispatcher, tenant).await else { return };
    // It may have gone since it was seen; whoever makes it anew does it otherwise.
    if object.life != TenantLife::Active {
        return;
    }
    let wishes: Vec<_> = own(tenant, object.since_k, suspended, Expected::Version(version)).into_iter().collect();
    change(world, dispatcher, tenant, wishes, if suspended { "suspend" } else { "resume" }).await;
}

async fn change(world: &World, dispatcher: &Dispatcher, tenant: &TenantName, wishes: Vec<ObjectWish>, what: &str) {
    let rests = what == "suspend";
    let mut asked = None;
    world.observed.note(
        || format!("{what} {tenant}"),
        |seen| if rests { asked = seen.rests.ask(tenant.as_str()) } else { seen.wake(tenant.as_str()) },
    );
    let told = dispatcher.change(tenant, wishes.clone()).await;
    let now_ms = dispatcher.now_ms();
    world.observed.note(
        || format!("told of {what} {tenant}: {told:?}"),
        |seen| {
            if !rests {
                seen.rests.woke(tenant.as_str());
            }
            match &told {
                Ok(changed) => {
                    if rests {
                        seen.rest(tenant.as_str(), asked, now_ms);
                    }
                    let told = wishes.iter().zip(&changed.objects).map(|(wish, fate)| ChangeTold {
                        tenant: tenant.to_string(),
                        kind: wish.kind,
                        name: wish.name.to_string(),
                        document: wish.document.clone(),
                        expected: wish.expected,
                        fate: *fate,
                    });
                    seen.changed.extend(told);
                }
                Err(ChangeError::Ask(AskError::Refused(Refused::ObjectChanged { kind, name, .. })))
                    if *kind != ObjectKind::Tenant =>
                {
                    seen.wrong.push(format!("{tenant} is made, and had the {} {name} before", kind.as_str()));
                }
                Err(_) => {}
            }
        },
    );
}

async fn delete(world: &World, dispatcher: &Dispatcher, tenant: &TenantName, patience: Duration) {
    let mut asked = None;
    world.observed.note(|| format!("delete {tenant}"), |seen| asked = seen.rests.ask(tenant.as_str()));
    let told = dispatcher.delete_tenant(tenant, Expected::Present).await;
    let (now_ms, last_k) = (dispatcher.now_ms(), dispatcher.archive().last_k());
    world.observed.note(
        || format!("told of delete {tenant}: {:?}", told.as_ref().map(drop)),
        |seen| {
            if told.is_ok() {
                seen.rest(tenant.as_str(), asked, now_ms);
                seen.deleted.push((tenant.to_string(), last_k, false));
            }
        },
    );
    let Ok(erased) = told else { return };
    let erased = timeout(patience, erased).await;
    let last_k = dispatcher.archive().last_k();
    world.observed.note(
        || format!("told of what is left of {tenant}: {erased:?}"),
        |seen| {
            if let Ok(Ok(true)) = erased {
                seen.deleted.push((tenant.to_string(), last_k, true));
            }
        },
    );
}
