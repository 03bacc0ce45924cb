//! Charges orders: adds up what they cost, and publishes `order.charged`.

use serde::{Deserialize, Serialize};
use wharf::{Context, Draft, Event, Failure, Outcome};

#[derive(Deserialize, Serialize)]
struct Order {
    number: u64,
    cents: i64,
}

// What it says here is all that it can be granted; wharf.toml grants it.
wharf::needs! { publish = ["order.charged"], kv = ["default"] }

#[wharf::handler(on = "order.created")]
fn charge(event: Event<Order>, cx: &Context) -> Outcome {
    let order = event.data;
    if order.cents < 0 {
        return Err(Failure::reject("an order cannot cost less than nothing"));
    }
    // Both become durable together with the end of this attempt, or neither does.
    cx.kv().add("cents", order.cents)?;
    cx.publish(Draft::new("order.charged").subject(format!("order/{}", order.number)).json(&order)?)?;
    cx.info(format_args!("charged in attempt {}", cx.attempt()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use wharf::testing::{Host, event};

    use super::*;

    #[test]
    fn an_order_is_charged() {
        let mut host = Host::new();
        assert_eq!(host.run(charge, event("order.created").json(r#"{"number": 7, "cents": 990}"#)), Ok(()));
        assert_eq!(host.get("default", "cents"), Some("990"));
        assert_eq!(host.published()[0].subject.as_deref(), Some("order/7"));
    }

    #[test]
    fn an_order_that_costs_less_than_nothing_is_rejected_and_leaves_nothing() {
        let mut host = Host::new();
        let outcome = host.run(charge, event("order.created").json(r#"{"number": 7, "cents": -1}"#));
        assert_eq!(outcome, Err(Failure::reject("an order cannot cost less than nothing")));
        assert!(host.published().is_empty() && host.get("default", "cents").is_none());
    }
}
