//! What holds for every schema and every payload. Two hundred thousand pairs of schemas, each with forty payloads:
//! `cargo test -p wharf-schema -- --ignored`.

use std::cell::Cell;

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use wharf_schema::{Mode, Schema, compatibility, diff, infer};

use crate::generate::{object, payload, versions};

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() })
}

#[test]
fn what_was_valid_is_valid_by_a_new_version_that_is_called_compatible() {
    compatible_is_true(1_500);
}

#[test]
#[ignore = "two hundred thousand pairs of schemas: run it by hand"]
fn what_was_valid_is_valid_by_very_many_new_versions_that_are_called_compatible() {
    compatible_is_true(200_000);
}

fn compatible_is_true(cases: u32) {
    let payloads = prop::collection::vec(prop_oneof![payload(), object()], 40);
    let (pairs, compatible, witnessed, broken) = (Cell::new(0), Cell::new(0), Cell::new(0), Cell::new(0));
    let add = |counter: &Cell<u32>| counter.set(counter.get() + 1);
    let mut runner = runner(cases);
    let ran = runner.run(&(versions(), payloads), |((old_json, new_json), payloads)| {
        let parsed = (Schema::parse(&old_json.to_string()), Schema::parse(&new_json.to_string()));
        let (Ok(old), Ok(new)) = parsed else { return Ok(()) };
        add(&pairs);
        let told = compatibility(&old, &new, Mode::Backward);
        let lost = payloads.iter().find(|it| old.validate_json(it).is_ok() && new.validate_json(it).is_err());
        if told.is_empty() {
            prop_assert!(lost.is_none(), "{old_json}\n{new_json}\n{lost:?}");
            add(&compatible);
            if payloads.iter().any(|it| old.validate_json(it).is_ok()) && old_json != new_json {
                add(&witnessed);
            }
        } else if lost.is_some() {
            add(&broken);
        }
        // The other way round is the same question.
        let forward = compatibility(&new, &old, Mode::Forward);
        prop_assert_eq!(forward.len(), told.len());
        Ok(())
    });
    ran.unwrap();
    let found = [&pairs, &compatible, &witnessed, &broken].map(Cell::get);
    // Else the test would have looked at nothing.
    assert!(found.iter().all(|count| *count > found[0] / 50), "{found:?}");
}

#[test]
fn every_example_is_valid_by_the_schema_that_was_inferred_of_it() {
    let mut runner = runner(1_000);
    let examples = prop::collection::vec(prop_oneof![payload(), object()], 0..8);
    let ran = runner.run(&examples, |examples| {
        let json = infer(&examples);
        let schema = Schema::parse(&json.to_string()).unwrap();
        for example in &examples {
            prop_assert!(schema.validate_json(example).is_ok(), "{json}\n{example}");
        }
        // A schema of some of them allows no more than one of all.
        let some = Schema::parse(&infer(&examples[..examples.len() / 2]).to_string()).unwrap();
        for example in examples[..examples.len() / 2].iter() {
            prop_assert!(some.validate_json(example).is_ok());
        }
        Ok(())
    });
    ran.unwrap();
}

/// Applies changes, as anybody would who reads them.
fn apply(document: &mut Value, changes: &[wharf_schema::Change]) {
    for change in changes.iter().rev() {
        let (parent, name) = change.pointer.rsplit_once('/').unwrap_or_default();
        let name = name.replace("~1", "/").replace("~0", "~");
        if change.pointer.is_empty() {
            *document = change.new.clone().unwrap();
            continue;
        }
        match (document.pointer_mut(parent).unwrap(), change.new.clone()) {
            (Value::Object(members), Some(new)) => drop(members.insert(name, new)),
            (Value::Object(members), None) => drop(members.remove(&name)),
            (Value::Array(items), new) => {
                let n: usize = name.parse().unwrap();
                let old = items.splice(n.min(items.len())..(n + 1).min(items.len()), new);
                drop(old);
            }
            _ => panic!("{change}"),
        }
    }
}

#[test]
fn a_difference_applied_to_the_old_gives_the_new() {
    let mut runner = runner(1_000);
    let ran = runner.run(&versions(), |(old, new)| {
        let changes = diff(&old, &new);
        // Added elements come last in a list, so they are put there in their order.
        let (added, other): (Vec<_>, Vec<_>) = changes.into_iter().partition(|it| it.old.is_none());
        let mut made = old.clone();
        apply(&mut made, &other);
        added.iter().for_each(|it| apply(&mut made, std::slice::from_ref(it)));
        prop_assert_eq!(&made, &new, "{} {}", old, new);
        prop_assert!(diff(&json!(made), &new).is_empty());
        Ok(())
    });
    ran.unwrap();
}
