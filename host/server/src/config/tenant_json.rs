//! Tenants and event buses as JSON, which the API takes: the twins of their tables in `wharf.toml`.

use wharf_delivery::{BusDocument, QueueDocument, RetentionDocument, RouteDocument, TenantSettings, WebhookDocument};
use wharf_egress::Granted;
use wharf_event::{BusName, Code, QueueName, RoutePath, TenantName, TopicName, WebhookName};

use super::{
    json_table::{ROOT, Reading, Wrong},
    keys::{BUS, Key, WHOLE},
    queues::{self, QUEUE},
    routes::{self, ROUTE},
    table::{Sink, Table},
    tenant,
    topics::MADE_TOPIC,
    webhooks::{self, WEBHOOK},
};

/// Reads what holds for a tenant as a whole.
///
/// # Errors
/// Every mistake.
pub fn read_tenant_settings(json: &[u8], tenant: &TenantName) -> Result<TenantSettings, Wrong> {
    read(json, Code::TenantInvalid, (WHOLE, format!("tenant `{tenant}`")), |table| tenant::read_whole(&table))
}

/// Reads how long a bus keeps its events, and how much of it may wait.
///
/// # Errors
/// Every mistake.
pub fn read_bus(json: &[u8], bus: &BusName) -> Result<BusDocument, Wrong> {
    read(json, Code::BusInvalid, (BUS, format!("bus `{bus}`")), |table| {
        let kept = table.table("retention").map(tenant::read_retention).unwrap_or_default();
        BusDocument { backlog: table.integer("backlog"), ..BusDocument::keeping(kept) }
    })
}

/// Reads how long a topic keeps its events.
///
/// # Errors
/// Every mistake.
pub fn read_topic(json: &[u8], topic: &TopicName) -> Result<RetentionDocument, Wrong> {
    read(json, Code::BusInvalid, (MADE_TOPIC, format!("topic `{topic}`")), |table| {
        table.table("retention").map(tenant::read_retention).unwrap_or_default()
    })
}

/// Reads how a queue keeps its messages.
///
/// # Errors
/// Every mistake.
pub fn read_queue(json: &[u8], queue: &QueueName) -> Result<QueueDocument, Wrong> {
    read(json, Code::QueueInvalid, (QUEUE, format!("queue `{queue}`")), |table| queues::read_one(&table, queue))
}

/// Reads where a webhook leads; `operator` is what may be granted.
///
/// # Errors
/// Every mistake.
pub fn read_webhook(json: &[u8], webhook: &WebhookName, operator: &Granted) -> Result<WebhookDocument, Wrong> {
    let what = format!("webhook `{webhook}`");
    read_whole(json, Code::WebhookInvalid, (WEBHOOK, what), |table, sink| webhooks::read_one(table, operator, sink))
}

/// Reads who answers the requests of a path. Whether there is the plugin is not looked at.
///
/// # Errors
/// Every mistake.
pub fn read_route(json: &[u8], path: &RoutePath) -> Result<RouteDocument, Wrong> {
    let what = format!("route `{path}`");
    read_whole(json, Code::RouteInvalid, (ROUTE, what), |table, sink| routes::read_one(table, None, sink))
}

/// Reads what is nothing where it has certain mistakes.
fn read_whole<T>(
    json: &[u8],
    code: Code,
    (keys, what): (&'static [Key], String),
    of: impl FnOnce(&Table<'_>, &Sink) -> Option<T>,
) -> Result<T, Wrong> {
    let members = Reading::members(json, &format!("what is put as {what}"), code)?;
    let mut reading = Reading::new(code);
    let (table, sink) = (reading.table(members), Sink::default());
    let read = of(&Table::new(&table, keys, what, ROOT, &sink), &sink);
    reading.take(sink.into_list(), None);
    match (read, reading.end()) {
        (Some(document), None) => Ok(document),
        (_, Some(wrong)) => Err(wrong),
        // The reader gives nothing only after a mistake.
        (None, None) => Err(Wrong { code, mistakes: Vec::new() }),
    }
}

fn read<T>(
    json: &[u8],
    code: Code,
    (keys, what): (&'static [Key], String),
    of: impl FnOnce(Table<'_>) -> T,
) -> Result<T, Wrong> {
    let members = Reading::members(json, &format!("what is put as {what}"), code)?;
    let mut reading = Reading::new(code);
    let (table, sink) = (reading.table(members), Sink::default());
    let read = of(Table::new(&table, keys, what, ROOT, &sink));
    reading.take(sink.into_list(), None);
    reading.end().map_or(Ok(read), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_the_tables_would_be() {
        let (tenant, bus) = ("acme".parse().unwrap(), "orders".parse().unwrap());
        assert_eq!(read_tenant_settings(b"{}", &tenant), Ok(TenantSettings::default()));
        assert!(read_tenant_settings(br#"{"suspended": true}"#, &tenant).unwrap().suspended);
        let read = read_tenant_settings(br#"{"weight": 7, "concurrency": 8, "memory_mib": 9}"#, &tenant).unwrap();
        assert_eq!((read.weight(), read.concurrency(), read.memory_mib()), (7, 8, 9));
        assert_eq!(read_bus(b"{}", &bus), Ok(BusDocument::keeping(RetentionDocument::default())));
        let read = read_bus(br#"{"retention": {"age": "1h", "size": "1MiB"}, "backlog": 9}"#, &bus).unwrap();
        assert_eq!(read, BusDocument { age_ms: 3_600_000, size_bytes: 1 << 20, backlog: Some(9) });
        assert_eq!(read_bus(br#"{"backlog": 0}"#, &bus).unwrap_err().mistakes[0].pointer, "/backlog");
    }

    #[test]
    fn a_webhook_reaches_no_network_that_the_operator_does_not_grant() {
        let (name, operator) = ("orders".parse().unwrap(), Granted::parse(["10.0.0.0/8"]).unwrap());
        let read = |json: &str| read_webhook(json.as_bytes(), &name, &operator);
        let json =
            r#"{"url": "https://a.test/x", "networks": ["10.1.0.0/16"], "timeout": "2s", "headers": {"x-key": "k"}}"#;
        let webhook = read(json).unwrap();
        assert_eq!(
            (webhook.timeout_ms, &webhook.networks[0], &webhook.headers["x-key"]),
            (2_000, &"10.1.0.0/16".to_owned(), &"k".to_owned())
        );
        for (json, pointer) in [
            ("{}", ""),
            (r#"{"url": "example.com"}"#, "/url"),
            (r#"{"url": "https://u:p@a.test/"}"#, "/url"),
            (r#"{"url": "https://a.test/", "networks": ["192.168.0.0/16"]}"#, "/networks"),
            (r#"{"url": "https://a.test/", "networks": ["10.1.2.3/16"]}"#, "/networks"),
            (r#"{"url": "https://a.test/", "timeout": "10m"}"#, "/timeout"),
            (r#"{"url": "https://a.test/", "headers": {"webhook-id": "1"}}"#, "/headers/webhook-id"),
            (r#"{"url": "https://a.test/", "headers": {"x": "a\nb"}}"#, "/headers/x"),
            (r#"{"url": "https://a.test/", "headers": {"Big": "a"}}"#, "/headers/Big"),
        ] {
            let wrong = read(json).unwrap_err();
            assert_eq!((wrong.code, wrong.mistakes[0].pointer.as_str()), (Code::WebhookInvalid, pointer), "{json}");
        }
    }

    #[test]
    fn a_route_is_read_as_its_table_would_be() {
        let path = "/hooks/*".parse().unwrap();
        let read = |json: &str| read_route(json.as_bytes(), &path);
        let route = read(r#"{"plugin": "hooks@next", "methods": ["POST"], "request_size": "1KiB"}"#).unwrap();
        assert_eq!((route.plugin.as_str(), route.channel.unwrap().as_str()), ("hooks", "next"));
        assert_eq!((route.request_bytes, route.answer_bytes, route.methods.len()), (1_024, 10 << 20, 1));
        for (json, pointer) in [
            ("{}", ""),
            (r#"{"plugin": "Hooks"}"#, "/plugin"),
            (r#"{"plugin": "h", "methods": ["CONNECT"]}"#, "/methods/0"),
            (r#"{"plugin": "h", "request_size": "2GiB"}"#, "/request_size"),
            (r#"{"plugin": "h", "answer_size": "lots"}"#, "/answer_size"),
            (r#"{"plugin": "h", "cache": true}"#, "/cache"),
        ] {
            let wrong = read(json).unwrap_err();
            assert_eq!((wrong.code, wrong.mistakes[0].pointer.as_str()), (Code::RouteInvalid, pointer), "{json}");
        }
    }

    #[test]
    fn a_queue_has_its_own_name_for_dead_letters_and_all_else_within_bounds() {
        let name = "jobs".parse().unwrap();
        let read = |json: &str| read_queue(json.as_bytes(), &name);
        let queue = read("{}").unwrap();
        assert_eq!((queue.visibility_ms, queue.retention_ms, queue.max_receives), (30_000, 345_600_000, None));
        assert_eq!(queue.dead_letter, name);
        for (json, pointer) in [
            (r#"{"visibility": "13h"}"#, "/visibility"),
            (r#"{"visibility": "0s"}"#, "/visibility"),
            (r#"{"delay": "16m"}"#, "/delay"),
            (r#"{"retention": "15d"}"#, "/retention"),
            (r#"{"max_receives": 0}"#, "/max_receives"),
            (r#"{"dead_letter": "NO"}"#, "/dead_letter"),
            (r#"{"colour": 1}"#, "/colour"),
        ] {
            let wrong = read(json).unwrap_err();
            assert_eq!((wrong.code, wrong.mistakes[0].pointer.as_str()), (Code::QueueInvalid, pointer), "{json}");
        }
    }

    #[test]
    fn every_mistake_is_told_with_its_place() {
        let (tenant, bus) = ("acme".parse().unwrap(), "orders".parse().unwrap());
        let wrong = read_tenant_settings(br#"{"suspended": 1, "buses": {}}"#, &tenant).unwrap_err();
        let mut pointers: Vec<_> = wrong.mistakes.iter().map(|mistake| mistake.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!((wrong.code, pointers), (Code::TenantInvalid, vec!["/buses", "/suspended"]));
        let wrong = read_bus(br#"{"retention": {"age": "soon"}}"#, &bus).unwrap_err();
        assert_eq!((wrong.code, wrong.mistakes[0].pointer.as_str()), (Code::BusInvalid, "/retention/age"));
        let topic = "orders".parse().unwrap();
        let wrong = read_topic(br#"{"retention": {"age": "soon"}, "subscriptions": {}}"#, &topic).unwrap_err();
        let mut pointers: Vec<_> = wrong.mistakes.iter().map(|mistake| mistake.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!((wrong.code, pointers), (Code::BusInvalid, vec!["/retention/age", "/subscriptions"]));
        assert_eq!(read_bus(b"7", &bus).unwrap_err().code, Code::BusInvalid);
    }
}
