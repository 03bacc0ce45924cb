//! Adds up what orders cost, many in one call.

use serde::Deserialize;
use wharf::{Context, Failure, Item, Outcome, Outcomes};

#[derive(Deserialize)]
struct Order {
    cents: i64,
}

// What it says here is all that it can be granted; wharf.toml grants it.
wharf::needs! { kv = ["default"] }

#[wharf::batch_handler]
fn charge(batch: Vec<Item<Order>>, cx: &Context) -> Outcomes {
    // Kept only if every order ends well; if some do not, the others come again without them.
    cx.kv().add("cents", batch.iter().map(|item| item.event.data.cents).sum())?;
    cx.info(format_args!("{} orders in one call", batch.len()));
    Ok(batch.iter().map(|item| outcome(&item.event.data)).collect())
}

fn outcome(order: &Order) -> Outcome {
    if order.cents < 0 {
        return Err(Failure::reject("an order cannot cost less than nothing"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_costs_nothing_or_more() {
        assert!(outcome(&Order { cents: 0 }).is_ok());
        assert!(outcome(&Order { cents: -1 }).is_err());
    }
}
