//! `wharf events show --calls`: what an attempt asked the outside, and what it was told.
//!
//! Invariant: an attempt without a recording is told as that, with what would have made one. Values are shown as far as a line has room: `-o json` has them whole.

use wharf_gateway::view::{CallField, CallView, CallsView, RecordingState, RecordingView};

use super::{
    error::{CommandError, talk},
    output::Output,
    session::Session,
    words::{bad, clipped, counted, faint, lasted, printable, sized, strong},
};

/// Shows the calls of an attempt of an event.
pub async fn show(
    session: &Session,
    event: &str,
    (delivery, attempt): (Option<u16>, Option<u32>),
    out: &mut Output,
) -> Result<(), CommandError> {
    let of = session.own().at("events").at(event).at("calls");
    let of = of.ask_some("delivery", delivery).ask_some("attempt", attempt);
    let calls: CallsView = session.client.get(&of).await?;
    if out.is_json() {
        return out.document(&calls);
    }
    for line in lines(&calls) {
        out.line(&line)?;
    }
    if let Some(why) = missing(calls.state) {
        talk(why);
    }
    Ok(())
}

/// Why there is nothing to see.
fn missing(state: RecordingState) -> Option<&'static str> {
    match state {
        RecordingState::Kept => None,
        RecordingState::None => Some(
            "this attempt was not recorded: `wharf dev` records all, and `[host.recordings]` says which ones a server does",
        ),
        RecordingState::Gone => {
            Some("its recording was deleted: `age` and `size` of `[host.recordings]` say how long they are kept")
        }
        RecordingState::Lost => {
            Some("its recording is lost: the host or the disk stopped before it was written. The attempt itself is not")
        }
        RecordingState::Unreadable => Some("a later release of Wharf made its recording"),
    }
}

fn lines(calls: &CallsView) -> Vec<String> {
    let CallsView { delivery, attempt, recording, .. } = calls;
    let head = format!("{} attempt {attempt}", strong(&printable(delivery)));
    let Some(recording) = recording else { return vec![head] };
    let RecordingView { plugin, release, took_us, calls, calls_not_kept, .. } = recording;
    let of = format!("{plugin} {}, {}", release.short(), lasted(*took_us));
    let mut lines = vec![format!("{head}  {}", faint(&of))];
    lines.extend(calls.iter().flat_map(call));
    if *calls_not_kept > 0 {
        let more = counted(*calls_not_kept as usize, "more call", "more calls");
        lines.push(faint(&format!("{more}, for which there was no room")));
    }
    lines
}

fn call(CallView { function, at_us, took_us, asked, told }: &CallView) -> Vec<String> {
    let at = format!("+{}", lasted(*at_us));
    let mut lines = vec![format!("{at:>9}  {}  {}", printable(function), faint(&lasted(*took_us)))];
    lines.extend(asked.iter().map(|one| format!("{:11}{} {}", "", faint(">"), field(one))));
    lines.extend(told.iter().map(|one| {
        let shown = field(one);
        format!("{:11}{} {}", "", faint("<"), if one.name == "error" { bad(&shown) } else { shown })
    }));
    lines
}

fn field(CallField { name, bytes, text, base64, digest }: &CallField) -> String {
    let value = match (text, base64, digest) {
        (Some(text), ..) => clipped(text),
        (_, Some(base64), _) => format!("{}, in Base64: {}", sized(*bytes), clipped(base64)),
        (_, _, Some(digest)) => format!("{}, {}", sized(*bytes), digest.short()),
        _ => sized(*bytes),
    };
    format!("{} {value}", printable(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_recording_is_shown_call_by_call_and_one_that_is_not_there_is_told() {
        let digest = "sha256:0505050505050505050505050505050505050505050505050505050505050505";
        let field = |name: &str, text: &str| json!({"name": name, "bytes": text.len(), "text": text});
        let calls = json!({
            "delivery": "3-256.1", "attempt": 2, "position": "4-0", "state": "kept",
            "recording": {
                "at": {"segment": 7, "offset": 20, "bytes": 9, "digest": digest},
                "plugin": "triage", "release": digest, "ended": "2026-01-01T00:00:00Z", "took_us": 1_500, "deadline_ms": 1_000,
                "items": [], "calls_not_kept": 2,
                "calls": [
                    {
                        "function": "wasi:keyvalue/store.get", "at_us": 40, "took_us": 3, "asked": [field("key", "a\nb")],
                        "told": [{"name": "value", "bytes": 2, "base64": "/wA="}],
                    },
                    {
                        "function": "wasi:http/outgoing-handler.handle", "at_us": 90, "took_us": 1_200, "asked": [],
                        "told": [field("error", "http-denied"), {"name": "body", "bytes": 70_000, "digest": digest}],
                    },
                ],
            },
        });
        let calls: CallsView = serde_json::from_value(calls).unwrap();
        let shown = lines(&calls).join("\n");
        for wanted in [
            "3-256.1",
            "attempt 2",
            "triage",
            "wasi:keyvalue/store.get",
            "/wA=",
            "http-denied",
            "050505050505",
            "2 more calls",
        ] {
            assert!(shown.contains(wanted), "{wanted}: {shown}");
        }
        assert!(!shown.contains("a\nb"), "{shown}");
        let none = CallsView { state: RecordingState::None, recording: None, ..calls };
        assert_eq!(lines(&none).len(), 1);
        assert!(missing(RecordingState::None).is_some() && missing(RecordingState::Kept).is_none());
    }
}
