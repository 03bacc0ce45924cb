//! Rules that are made while events flow: the next event meets them, a restart finds them, a mistake changes nothing.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::FutureExt as _;
use wharf_delivery::{Expected, ObjectFate, ObjectKind, ObjectName, ObjectWish, Verdict};
use wharf_dispatch::{ChangeError, Dispatcher, Origin, RuleError, RulesError};
use wharf_event::{Event, EventBuilder, RuleName};

use crate::host::{Scripted, configure, open, settled, tenant};

/// A handler that counts.
fn counting() -> (Arc<Scripted>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let handler = Scripted::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Verdict::Ok }.boxed()
    });
    (handler, count)
}

fn rule(name: &str, document: Option<&str>, expected: Expected) -> ObjectWish {
    let name = ObjectName::from(&name.parse::<RuleName>().unwrap());
    ObjectWish { kind: ObjectKind::Rule, name, document: document.map(|text| text.to_owned().into()), expected }
}

/// A rule for events of type `kind`.
fn document(kind: &str, more: &str) -> String {
    format!(
        r#"{{"bus":"default","pattern":{{"type":["{kind}"]}},"targets":[{{"plugin":"p","dead_letter":"dead",
            "retry":{{"first_ms":10,"max_ms":10,"attempts":5,"age_ms":3600000}}}}]{more}}}"#
    )
}

async fn make(host: &Dispatcher, name: &str, document: Option<&str>) -> Result<Vec<ObjectFate>, ChangeError> {
    host.change(&tenant(), vec![rule(name, document, Expected::Any)]).await.map(|changed| changed.objects)
}

/// How many targets an event of that type has now.
async fn owed(host: &Dispatcher, kind: &str, id: &str) -> usize {
    let event: Event = EventBuilder::new(id, "test", kind).build().unwrap();
    let targets = host.rules().targets(&tenant(), &"default".parse().unwrap(), &event).unwrap().len();
    let answers = host.accept(&tenant(), &"default".parse().unwrap(), vec![event]).await.unwrap();
    assert!(answers.iter().all(Result::is_ok));
    targets
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_made_is_met_by_the_next_event_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (handler, count) = counting();
    let host = open(&folder, Arc::clone(&handler), 4).await;
    host.begin();
    assert_eq!(owed(&host, "u", "1").await, 0);
    let made = make(&host, "more", Some(&document("u", ""))).await.unwrap();
    assert!(matches!(made[..], [ObjectFate::Created(_)]), "{made:?}");
    assert_eq!(owed(&host, "u", "2").await, 1);
    assert_eq!(make(&host, "off", Some(&document("u", ",\"enabled\":false"))).await.unwrap().len(), 1);
    assert_eq!(owed(&host, "u", "3").await, 1, "a rule that is off matches nothing");
    settled(&host).await;
    assert!(host.stop(std::time::Duration::from_secs(10)).await);
    drop(host);

    let host = open(&folder, handler, 4).await;
    host.begin();
    assert_eq!(owed(&host, "u", "4").await, 1);
    let rules = host.rules();
    let origin = |name: &str| rules.rule(&tenant(), &name.parse().unwrap()).map(|rule| (rule.origin, rule.enabled));
    assert_eq!(origin("more"), Some((Origin::Object, true)));
    assert_eq!(origin("off"), Some((Origin::Object, false)));
    assert_eq!(origin("all"), Some((Origin::File, true)));
    // What is owed to a rule that goes is given up.
    settled(&host).await;
    assert_eq!(make(&host, "more", None).await.unwrap(), [ObjectFate::Removed]);
    assert_eq!(make(&host, "more", None).await.unwrap(), [ObjectFate::Absent]);
    assert_eq!(owed(&host, "u", "5").await, 0);
    settled(&host).await;
    assert_eq!(count.load(Ordering::Relaxed), 3);
    host.stop(std::time::Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_equal_configuration_that_comes_again_leaves_a_tenants_own_changes_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (handler, _) = counting();
    let host = open(&folder, Arc::clone(&handler), 4).await;
    let configured = host.rules().version_of(&tenant());
    make(&host, "more", Some(&document("u", ""))).await.unwrap();
    let changed = host.rules().version_of(&tenant());
    assert!(changed > configured);
    configure(&host, handler, 4).await;
    assert_eq!(host.rules().version_of(&tenant()), changed, "that is the newest that the sequencer knows");
    assert_eq!(owed(&host, "u", "1").await, 1);
    // One that is gone is matched with nothing, by the version that the sequencer has for it.
    assert_eq!(host.rules().version_of(&"gone".parse().unwrap()), configured);
    host.stop(std::time::Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let host = open(&folder, counting().0, 4).await;
    let good = document("u", "");
    make(&host, "more", Some(&good)).await.unwrap();
    let before = host.rules();
    for (name, wrong) in [
        ("all", good.clone()),
        ("more", good.replace("default", "side")),
        ("new", good.replace("default", "side")),
        ("new", good.replace(r#""plugin":"p""#, r#""plugin":"q""#)),
        ("new", good.replace(r#"["u"]"#, r#"[{"prefix":1}]"#)),
        ("new", good.replace("targets", "target")),
        ("new", document("u", r#","transforms":["sieve"]"#)),
        ("new", r#"{"bus":"default","pattern":{"type":["u"]},"targets":[]}"#.to_owned()),
    ] {
        // All or none: the first of the two would be right.
        let wishes = vec![rule("fine", Some(&good), Expected::Any), rule(name, Some(&wrong), Expected::Any)];
        let refused = host.change(&tenant(), wishes).await.unwrap_err();
        assert!(matches!(refused, ChangeError::Rules(RulesError::Rule { .. })), "{name} {wrong}: {refused}");
        assert!(Arc::ptr_eq(&before, &host.rules()), "{name} {wrong}");
    }
    let of_file = make(&host, "all", None).await.unwrap_err();
    let of_file = matches!(of_file, ChangeError::Rules(RulesError::Rule { source: RuleError::OfFile, .. }));
    assert!(of_file, "a rule of the file is not removed");
    let wishes = vec![rule("more", None, Expected::Absent)];
    assert!(matches!(host.change(&tenant(), wishes).await, Err(ChangeError::Ask(_))));
    assert!(Arc::ptr_eq(&before, &host.rules()));
    assert!(host.change(&"nobody".parse().unwrap(), vec![rule("x", None, Expected::Any)]).await.is_err());
    host.stop(std::time::Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_flow_while_rules_change_and_nobody_waits_in_vain() {
    let folder = tempfile::tempdir().unwrap();
    let (handler, count) = counting();
    let host = open(&folder, handler, 8).await;
    host.begin();
    let changing = tokio::spawn({
        let host = host.clone();
        async move {
            for n in 0..200 {
                let (wanted, name) = (document(&format!("kind-{n}"), ""), format!("rule-{}", n % 7));
                make(&host, &name, Some(&wanted)).await.unwrap();
                if n % 3 == 0 {
                    // Whoever gives up waiting leaves nothing half done.
                    let gone = make(&host, &name, None);
                    drop(tokio::time::timeout(std::time::Duration::ZERO, gone).await);
                }
            }
        }
    });
    let mut sent = 0;
    while !changing.is_finished() {
        sent += 1;
        assert_eq!(owed(&host, "t", &format!("flow-{sent}")).await, 1);
    }
    changing.await.unwrap();
    settled(&host).await;
    assert_eq!(count.load(Ordering::Relaxed), sent);
    host.stop(std::time::Duration::from_secs(10)).await;
}
