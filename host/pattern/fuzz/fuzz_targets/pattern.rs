//! Any text as a pattern. Invariants: it is a pattern or has mistakes at places that are there; a pattern printed and parsed
//! again is the same; and the matcher finds what the evaluator finds, on the pattern's own text as an event.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use wharf_pattern::{Pattern, RuleMatcher, Scratch, Subject};

fuzz_target!(|text: &[u8]| {
    let pattern = match Pattern::from_json(text) {
        Ok(pattern) => pattern,
        Err(errors) => {
            // The pointers are into what serde_json reads too; of members that are there twice it keeps one.
            if let Ok(json) = serde_json::from_slice::<Value>(text)
                && json.to_string().len() == text.len()
            {
                assert!(errors.iter().all(|error| json.pointer(&error.pointer).is_some()), "{errors}");
            }
            return;
        }
    };
    let printed = pattern.to_string();
    assert_eq!(Pattern::from_json(printed.as_bytes()).ok(), Some(pattern.clone()), "{printed}");
    let Ok(subject) = Subject::from_json(text) else { return };
    let mut matcher = RuleMatcher::new();
    matcher.insert(1, &pattern).expect("one rule is not too many");
    let found = matcher.matches_json(text, &mut Scratch::new()).is_ok_and(|rules| rules == [1]);
    assert_eq!(found, pattern.matches(&subject));
    assert_eq!(found, pattern.explain(&subject).is_none());
    assert_eq!(found, pattern.evidence(&subject).is_some());
});
