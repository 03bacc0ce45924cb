//! Requests that a plugin answers: what they bring and store.

use bytes::Bytes;
use wharf_delivery::{AcceptEvent, AcceptRequest, Quotas, Request, ServeRequest, WriteOp, WriteRequest};

use crate::{
    runner::{BrokenOff, Runner},
    script::{event, name, targets, tenant},
};

/// Requests that bring an event, store a value, and do both: one of them brings what is known too.
pub fn answers(run: &mut Runner) -> Result<(), BrokenOff> {
    let set = |key: &str, value: &'static str| WriteRequest {
        bucket: name("kv"),
        key: key.into(),
        op: WriteOp::Set(Bytes::from_static(value.as_bytes())),
    };
    run.ask(vec![serve(run.rules_version, &["served-1"], Vec::new())])?;
    run.ask(vec![serve(run.rules_version, &[], vec![set("served", "1")])])?;
    let both =
        serve(run.rules_version, &["served-2", "served-1", "served-3"], vec![set("served", "2"), set("beside", "b")]);
    run.ask(vec![both]).map(drop)
}

fn serve(rules_version: u64, ids: &[&str], writes: Vec<WriteRequest>) -> Request {
    let events = ids.iter().map(|id| AcceptEvent { event: event(id, 40), targets: targets(1) }).collect();
    let accept = AcceptRequest {
        tenant: tenant(),
        bus: name("default"),
        rules_version,
        since_k: 0,
        quotas: Quotas::default(),
        backlogs: std::collections::BTreeMap::new(),
        events,
        delayed: None,
    };
    let (plugin, request) = (name("web"), "of-the-script".to_owned());
    Request::Serve(Box::new(ServeRequest { accept, plugin, request, reads: Vec::new(), writes, publish_per_s: None }))
}
