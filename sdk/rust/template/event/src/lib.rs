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
    if !is_chargeable(&order) {
        return Err(Failure::reject("an order cannot cost less than nothing"));
    }
    // Both become durable together with the end of this attempt, or neither does.
    cx.kv().add("cents", order.cents)?;
    cx.publish(Draft::new("order.charged").subject(format!("order/{}", order.number)).json(&order)?)?;
    cx.info(format_args!("charged in attempt {}", cx.attempt()));
    Ok(())
}

fn is_chargeable(order: &Order) -> bool {
    order.cents >= 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_costs_nothing_or_more() {
        assert!(is_chargeable(&Order { number: 7, cents: 0 }));
        assert!(!is_chargeable(&Order { number: 7, cents: -1 }));
    }
}
