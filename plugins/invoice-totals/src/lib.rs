//! Consumes a queue of invoices: adds each to `total/<customer>`, with one change per customer and call however many invoices
//! came.
//!
//! Invariant: a total is the sum of the invoices that ended well, each of them once. An invoice of less than nothing is
//! rejected, and the host lets go of a call that it was in.

use std::collections::BTreeMap;

use serde::Deserialize;
use wharf::{Context, Failure, Item, Outcome, Outcomes};

#[derive(Deserialize)]
struct Invoice {
    customer: String,
    cents: i64,
}

wharf::needs! { kv = ["default"] }

#[wharf::batch_handler]
fn total(batch: Vec<Item<Invoice>>, cx: &Context) -> Outcomes {
    let invoices: Vec<_> = batch.into_iter().map(|item| item.event.data).collect();
    let outcomes: Vec<_> = invoices.iter().map(outcome).collect();
    // Nothing of a call with a failed event is kept, so this one need not be worked out.
    if outcomes.iter().all(Outcome::is_ok) {
        for (customer, cents) in totals(&invoices) {
            cx.kv().add(&format!("total/{customer}"), cents)?;
        }
    }
    Ok(outcomes)
}

fn outcome(invoice: &Invoice) -> Outcome {
    if invoice.cents < 0 {
        return Err(Failure::reject(format!("an invoice of {} cents", invoice.cents)));
    }
    Ok(())
}

/// What the invoices of each customer come to.
fn totals(invoices: &[Invoice]) -> BTreeMap<&str, i64> {
    let mut totals = BTreeMap::new();
    for Invoice { customer, cents } in invoices {
        let total: &mut i64 = totals.entry(customer.as_str()).or_default();
        *total = total.saturating_add(*cents);
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invoice(customer: &str, cents: i64) -> Invoice {
        Invoice { customer: customer.to_owned(), cents }
    }

    #[test]
    fn invoices_are_summed_by_customer() {
        let invoices = [invoice("b", 5), invoice("a", 1), invoice("b", 2)];
        assert_eq!(totals(&invoices), BTreeMap::from([("a", 1), ("b", 7)]));
    }

    #[test]
    fn one_of_less_than_nothing_is_rejected() {
        assert!(outcome(&invoice("a", 0)).is_ok());
        assert_eq!(outcome(&invoice("a", -3)), Err(Failure::reject("an invoice of -3 cents")));
    }
}
