//! What a bus that is a target publishes arises on that bus, whatever bus the event came on.

use wharf_delivery::{DeliveryId, Outcome, PublishRequest, TargetRef};
use wharf_event::{BusName, Target};

use crate::bench::{Partition, event, publish, settled};

#[test]
fn what_a_bus_publishes_arises_there_and_what_a_plugin_publishes_where_it_was_called() {
    for (to, wanted) in [("bus/aside", "aside"), ("topic/orders", "topic/orders"), ("p", "default")] {
        let mut p = Partition::new();
        let to: Target = to.parse().unwrap();
        let mut accept = p.accepting("a", 1);
        accept.events[0].targets = vec![TargetRef::new("r".parse().unwrap(), to.clone())];
        let (_, due) = p.ask(wharf_delivery::Request::Accept(accept));
        assert_eq!(due[0].row.bus, "default".parse::<BusName>().unwrap());
        let id: DeliveryId = due[0].id;
        let mut settle = settled(id, 1, Outcome::Ack);
        (settle.target, settle.published) = (to, vec![publish(event("x"), 2)]);
        let (_, due) = p.settle(settle);
        let buses: Vec<_> = due.iter().map(|due| due.row.bus.to_string()).collect();
        assert_eq!(buses, [wanted, wanted]);
        assert_eq!((p.stats().pending, p.stats().published), (2, 1));
        // Rows come out of the log as they came into it.
        assert_eq!(p.replayed(), p.tables);
    }
}

#[test]
fn an_event_that_goes_in_a_circle_of_buses_is_given_up_in_the_end() {
    let mut p = Partition::new();
    let mut due = p.accept("a", 1).1;
    let hop = |n: i32| event("x").with_extension(wharf_delivery::HOPS_ATTRIBUTE, n).unwrap();
    for n in 1..=17 {
        let mut settle = settled(due[0].id, 1, Outcome::Ack);
        settle.published = vec![PublishRequest { queues: vec!["lost".parse().unwrap()], ..publish(hop(n), 1) }];
        due = p.settle(settle).1;
        assert_eq!(due.len(), usize::from(n < 17), "hop {n}");
    }
    assert_eq!((p.stats().pending, p.stats().dead_letters), (0, 1));
}
