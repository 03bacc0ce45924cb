//! Rules over HTTP: asked, put under conditions, read page by page, removed.

use wharf_event::Code;
use wharf_gateway::Problem;
use wharf_gateway::view::{PatternVerdict, RuleOrigin, RuleView};

use crate::client::{Answer, delete, get, post, put, put_as};
use crate::server::Server;

const RULES: &str = "/v1/tenants/acme/buses/default/rules";

fn at(rule: &str) -> String {
    format!("{RULES}/{rule}")
}

fn pointers(answer: &Answer) -> Vec<String> {
    answer.json::<Problem>(answer.status).errors.into_iter().map(|mistake| mistake.pointer).collect()
}

#[tokio::test]
async fn a_pattern_is_tested_as_it_is_spelled_and_all_its_mistakes_are_told() {
    const TEST: &str = "/v1/tenants/acme/rules:test";
    let server = Server::start().await;
    let question = r#"{"pattern": {"n": [3.0e2]},"event": "{\"n\": 300.0}" }"#;
    for media_type in ["application/json", "", "text/plain"] {
        let verdict: PatternVerdict = post(TEST, media_type, question).send(server.addr).await.json(200);
        assert!(verdict.matched && verdict.mismatch.is_none());
        assert_eq!(verdict.evidence[0].saw, question);
    }
    let answer = post(TEST, "application/json", "{\"patern\": {}}").send(server.addr).await;
    answer.refused(Code::PatternInvalid);
    assert_eq!(pointers(&answer), ["/patern", "/patern/0"]);
    post(TEST, "", vec![b' '; 4 * 1024 * 1024 + 1]).send(server.addr).await.refused(Code::EventTooLarge);
}

#[tokio::test]
async fn a_rule_is_put_as_it_is_spelled_and_its_version_is_its_tag() {
    let server = Server::start().await;
    let made = put(at("orders"), r#"{"pattern": {"n": [3.0e2]}}"#).send(server.addr).await;
    let rule: RuleView = made.json(201);
    assert_eq!((rule.pattern.get(), rule.origin, rule.enabled), (r#"{"n": [3.0e2]}"#, RuleOrigin::Api, true));
    assert_eq!((made.header("etag"), made.header("location")), (Some("\"1-0\""), Some(at("orders").as_str())));
    let again = put(at("orders"), r#"{"pattern": {"n": [3.0e2]} }"#).send(server.addr).await;
    assert_eq!((again.status, again.header("etag"), again.header("location")), (200, Some("\"1-0\""), None));
    let changed = put(at("orders"), r#"{"pattern": {"n": [4]}}"#).send(server.addr).await;
    assert_eq!((changed.status, changed.header("etag")), (200, Some("\"2-0\"")));
    let read = get(at("orders")).send(server.addr).await;
    assert_eq!((read.json::<RuleView>(200).version, read.header("etag")), ("2-0".parse().ok(), Some("\"2-0\"")));
    let known = get(at("orders")).with("if-none-match", "\"2-0\"").send(server.addr).await;
    assert_eq!((known.status, known.body.len(), known.header("etag")), (304, 0, Some("\"2-0\"")));
    let of_file = get(at("of-file")).send(server.addr).await;
    assert_eq!((of_file.json::<RuleView>(200).origin, of_file.header("etag")), (RuleOrigin::File, None));
    let gone = delete(at("orders")).send(server.addr).await;
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    get(at("orders")).send(server.addr).await.refused(Code::RuleUnknown);
}

#[tokio::test]
async fn a_change_under_a_condition_comes_about_only_if_that_holds() {
    let server = Server::start().await;
    let document = |n: u32| format!("{{\"pattern\": {{\"n\": [{n}]}}}}");
    let rule = || at("orders");
    put(rule(), document(1)).with("if-match", "*").send(server.addr).await.refused(Code::VersionConflict);
    assert_eq!(put(rule(), document(1)).with("if-none-match", "*").send(server.addr).await.status, 201);
    put(rule(), document(2)).with("if-none-match", "*").send(server.addr).await.refused(Code::VersionConflict);
    put(rule(), document(2)).with("if-match", "\"9-0\"").send(server.addr).await.refused(Code::VersionConflict);
    put(rule(), document(2)).with("if-match", "\"other\"").send(server.addr).await.refused(Code::VersionConflict);
    put(rule(), document(2)).with("if-none-match", "\"1-0\"").send(server.addr).await.refused(Code::QueryInvalid);
    assert_eq!(put(rule(), document(2)).with("if-match", "\"1-0\"").send(server.addr).await.status, 200);
    delete(rule()).with("if-match", "\"1-0\"").send(server.addr).await.refused(Code::VersionConflict);
    assert_eq!(delete(rule()).with("if-match", "\"2-0\"").send(server.addr).await.status, 204);
}

#[tokio::test]
async fn rules_are_listed_by_name_and_page_by_page() {
    let server = Server::start().await;
    for name in ["b", "c", "a"] {
        assert_eq!(put(at(name), r#"{"pattern": {}}"#).send(server.addr).await.status, 201);
    }
    for (query, wanted) in
        [("", "abc"), ("?limit=2", "ab"), ("?after=a", "bc"), ("?after=a&limit=1", "b"), ("?after=c", "")]
    {
        let rules: Vec<RuleView> = get(format!("{RULES}{query}")).send(server.addr).await.json(200);
        assert_eq!(rules.iter().map(|rule| rule.rule.as_str()).collect::<String>(), wanted, "{query}");
    }
}

#[tokio::test]
async fn a_rule_that_cannot_be_put_is_refused_and_changes_nothing() {
    let server = Server::start().await;
    let fine = r#"{"pattern": {}}"#;
    let too_large = format!("{{\"pattern\": {{}}{}}}", " ".repeat(1024 * 1024));
    for (request, code) in [
        (put(at("orders"), ""), Code::RuleInvalid),
        (put(at("orders"), "[]"), Code::RuleInvalid),
        (put(at("orders"), too_large), Code::RuleInvalid),
        (put(at("Not%20A%20Name"), fine), Code::RuleInvalid),
        (put(at("orders"), r#"{"pattern": []}"#), Code::PatternInvalid),
        (put(at("of-file"), fine), Code::RuleOfFile),
        (put("/v1/tenants/acme/buses/nowhere/rules/orders", fine), Code::BusUnknown),
        (put_as(at("orders"), "text/plain", fine), Code::ContentTypeUnsupported),
        (delete(at("orders")), Code::RuleUnknown),
        (delete(at("Not%20A%20Name")), Code::RuleUnknown),
        (delete(at("of-file")), Code::RuleOfFile),
        (get(at("Not%20A%20Name")), Code::RuleUnknown),
        (get(format!("{RULES}?after=Not%20A%20Name")), Code::QueryInvalid),
        (get(format!("{RULES}?limit=0")), Code::QueryInvalid),
    ] {
        request.send(server.addr).await.refused(code);
    }
    let answer = put(at("orders"), "{}").send(server.addr).await;
    answer.refused(Code::RuleInvalid);
    assert_eq!(pointers(&answer), ["/pattern", "/targets"]);
    assert!(server.host.rules.lock().unwrap().is_empty());
}
