//! Damage that costs data is told with positions and event ids.

use wharf_dispatch::doctor::{Report, Severity};

use crate::folder::{FIRST_EVENTS_K, Folder};

/// Where the body of record `index` of frame `k` begins.
fn body(folder: &Folder, k: u64, index: usize) -> (String, usize) {
    let (name, at) = folder.frame(k);
    let bytes = folder.read(&name);
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let records = number(at + 64);
    let before: usize = (0..index).map(|n| number(at + 72 + 24 * n + 16)).sum();
    (name, at + 72 + 24 * records + before)
}

fn only_lost(report: &Report) -> &wharf_dispatch::doctor::Lost {
    let [finding] = &report.findings[..] else { panic!("{report:?}") };
    assert_eq!(finding.severity, Severity::Loss);
    let [lost] = &finding.lost[..] else { panic!("{report:?}") };
    lost
}

#[test]
fn a_damaged_event_is_told_with_its_position_and_id_and_who_speaks_of_it() {
    let folder = Folder::new(false);
    let k = FIRST_EVENTS_K + 2;
    let (name, at) = body(&folder, k, 0);
    for within in [0, 9, 40, 200] {
        let report = folder.flipped(&name, at + within, 3, Folder::examine);
        let lost = only_lost(&report);
        assert_eq!((lost.position.to_string(), lost.record.as_deref()), (format!("{k}-0"), Some("accept")));
        assert_eq!(lost.tenant.as_ref().map(ToString::to_string).as_deref(), Some("acme"));
        // One bit is put right, so what is said is what was written.
        assert!(lost.proven);
        assert_eq!(lost.events[0].id.as_deref(), Some("event-2"));
        assert_eq!(lost.events[0].kind.as_deref(), Some("order.placed"));
        let by = lost.named_by.join("\n");
        assert!(
            by.contains(&format!("record {}-0: attempt 1 of plugin counter by rule everything: acknowledged", k + 1)),
            "{by}"
        );
        assert!(by.contains(&format!("record {}-256: attempt 1 of plugin flaky", k + 1)), "{by}");
        assert!(by.contains(&format!("delivery {k}-0.1 is still owed to plugin flaky")), "{by}");
    }
}

#[test]
fn a_body_that_is_gone_is_still_named_by_its_position_and_by_dead_letters() {
    let folder = Folder::new(false);
    let k = FIRST_EVENTS_K + 4;
    let (name, at) = body(&folder, k, 1);
    let mut bytes = folder.read(&name);
    bytes[at..at + 60].fill(0);
    std::fs::write(folder.file(&name), bytes).unwrap();
    let report = folder.examine();
    let lost = only_lost(&report);
    assert_eq!(
        (lost.position.to_string(), lost.record.as_deref(), lost.proven),
        (format!("{k}-256"), Some("accept"), false)
    );
    assert_eq!(lost.tenant.as_ref().map(ToString::to_string).as_deref(), Some("acme"));
    let by = lost.named_by.join("\n");
    assert!(by.contains(&format!("dead letter {k}-256.1 of plugin flaky, handler-reject")), "{by}");
}

#[test]
fn a_damaged_settle_names_its_delivery_and_what_it_published() {
    let folder = Folder::new(false);
    let k = FIRST_EVENTS_K + 1;
    let (name, at) = body(&folder, k, 0);
    let report = folder.flipped(&name, at + 100, 6, Folder::verify_log);
    let lost = only_lost(&report);
    assert_eq!((lost.position.to_string(), lost.record.as_deref()), (format!("{k}-0"), Some("settle")));
    assert_eq!(lost.events[0].position.to_string(), format!("{k}-1"));
    assert_eq!(lost.events[0].id.as_deref(), Some(format!("{FIRST_EVENTS_K}-0.0.1").as_str()));
    assert!(lost.detail.as_ref().unwrap().contains(&format!("delivery {FIRST_EVENTS_K}-0.0 to plugin counter")));
}

#[test]
fn a_damaged_header_costs_the_frame_and_its_events_are_named() {
    let folder = Folder::new(false);
    let k = FIRST_EVENTS_K + 6;
    let (name, at) = folder.frame(k);
    let report = folder.flipped(&name, at + 50, 1, Folder::verify_log);
    let [finding] = &report.findings[..] else { panic!("{report:?}") };
    assert_eq!((finding.severity, finding.frames), (Severity::Loss, Some((k, k))));
    let told: Vec<_> = finding.lost.iter().map(|lost| (lost.position.to_string(), lost.events[0].id.clone())).collect();
    assert_eq!(
        told,
        [(format!("{k}-0"), Some("event-6".to_owned())), (format!("{k}-256"), Some("event-7".to_owned()))]
    );
    assert!(finding.lost.iter().all(|lost| lost.proven));
}

#[test]
fn a_frame_that_is_gone_is_named_by_those_that_speak_of_its_events() {
    let folder = Folder::new(false);
    let k = FIRST_EVENTS_K;
    let (name, at) = folder.frame(k);
    let (_, next) = folder.frame(k + 1);
    let mut bytes = folder.read(&name);
    bytes[at..next].fill(0);
    std::fs::write(folder.file(&name), bytes).unwrap();
    let report = folder.examine();
    let [finding] = &report.findings[..] else { panic!("{report:?}") };
    assert_eq!((finding.structure.as_str(), finding.frames), ("frames-missing", Some((k, k))));
    let told: Vec<_> = finding.lost.iter().map(|lost| lost.position.to_string()).collect();
    assert_eq!(told, [format!("{k}-0"), format!("{k}-256")]);
    assert!(finding.lost.iter().all(|lost| !lost.named_by.is_empty() && lost.events.len() == 1));
}

#[test]
fn a_torn_end_that_the_state_is_beyond_is_a_loss_and_otherwise_is_none() {
    for clean in [true, false] {
        let folder = Folder::new(clean);
        // The mark, and the settles before it.
        let (name, at) = folder.frame(14);
        let (_, end) = folder.frame(15);
        let mut bytes = folder.read(&name);
        bytes[at + 512..end + 512].fill(0);
        std::fs::write(folder.file(&name), bytes).unwrap();
        let report = folder.examine();
        let [finding] = &report.findings[..] else { panic!("{report:?}") };
        assert_eq!((report.ok, finding.structure.as_str()), (!clean, "torn-tail"));
        if clean {
            assert_eq!((finding.severity, finding.frames), (Severity::Loss, Some((14, 15))));
            assert!(finding.problem.contains("the state was brought to frame 15"), "{}", finding.problem);
            let last = finding.lost.last().unwrap();
            assert_eq!((last.position.k, last.record.as_deref()), (14, Some("settle")));
        }
    }
}
