//! Makes a report each time that it is due, and numbers them.

use serde::Serialize;
use wharf::{Context, Draft, Event, Outcome};

#[derive(Serialize)]
struct Report {
    number: u64,
    title: String,
}

// What it says here is all that it can be granted; wharf.toml grants it.
wharf::needs! { publish = ["report.made"], kv = ["default"] }

#[wharf::handler]
fn report(event: Event<Vec<u8>>, cx: &Context) -> Outcome {
    let number = cx.kv().increment("reports", 1)?;
    let due = event.time.unwrap_or_default();
    cx.publish(Draft::new("report.made").json(&Report { number, title: title(number, &due) })?)?;
    Ok(())
}

fn title(number: u64, due: &str) -> String {
    let day = due.split('T').next().unwrap_or_default();
    format!("Report {number} of {day}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_of_the_day_that_it_was_due() {
        assert_eq!(title(3, "2026-01-01T03:00:00Z"), "Report 3 of 2026-01-01");
    }
}
