//! Lets orders that cost something go on, with their price in euros beside that in cents.

use serde::{Deserialize, Serialize};
use wharf::{Event, Transformed};

#[derive(Deserialize)]
struct Order {
    number: u64,
    cents: u64,
}

#[derive(Serialize)]
struct Priced {
    number: u64,
    cents: u64,
    euros: String,
}

#[wharf::transform]
fn price(event: Event<Order>) -> Transformed<Priced> {
    let Order { number, cents } = event.data;
    if cents == 0 {
        return Ok(None);
    }
    Ok(Some(event.with_data(Priced { number, cents, euros: euros(cents) })))
}

fn euros(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_are_two_digits() {
        assert_eq!(euros(990), "9.90");
        assert_eq!(euros(5), "0.05");
    }
}
