//! Schedules: what the command line says of when they are due.

use serde_json::{Value, json};

use crate::host::wharf;

/// Runs `wharf schedule next …` where no host is: exit status, what it printed, stderr.
fn next(words: &[&str]) -> (i32, Value, String) {
    let mut command = wharf();
    let output =
        command.args(["schedule", "next", "-o", "json", "--url", "http://127.0.0.1:9"]).args(words).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap_or_default(), stderr)
}

#[test]
fn next_says_when_an_expression_is_due_and_asks_no_host() {
    let (exit, report, _) =
        next(&["cron(30 2 * * ? *)", "--timezone", "europe/berlin", "-n", "3", "--after", "2026-03-27T12:00:00Z"]);
    let due = |due: &str, local: &str| json!({"due": due, "local": local});
    let dues = json!([
        due("2026-03-28T01:30:00.000Z", "2026-03-28T02:30:00+01:00"),
        due("2026-03-29T01:00:00.000Z", "2026-03-29T03:00:00+02:00"),
        due("2026-03-30T00:30:00.000Z", "2026-03-30T02:30:00+02:00"),
    ]);
    assert_eq!((exit, &report["timezone"], &report["next"]), (0, &json!("Europe/Berlin"), &dues));
    let span = ["--start", "2026-01-01T00:00:01Z", "--end", "2026-01-03T00:00:01Z", "--after", "2026-01-02T12:00:00Z"];
    let (_, report, _) = next(&[&["rate(1 day)"][..], &span[..]].concat());
    assert_eq!(report["next"], json!([due("2026-01-03T00:00:01.000Z", "2026-01-03T00:00:01+00:00")]));
    assert_eq!(next(&["at(2020-01-01T00:00:00)"]).1["next"], json!([]));
    for (wrong, said) in [("0 9 * * *", "no schedule expression"), ("cron(0 9 30 2 ? *)", "never due")] {
        let (exit, _, stderr) = next(&[wrong]);
        assert!(exit == 1 && stderr.contains("error[schedule-invalid]") && stderr.contains(said), "{stderr}");
    }
}
