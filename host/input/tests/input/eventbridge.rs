//! The examples of EventBridge's documentation, and answers of the service that others recorded.

use serde_json::json;
use wharf_event::{Event, EventBuilder};

use crate::{OCCASION, event, json, made, payload};
use wharf_input::Input;

/// The event of the documentation.
fn instance() -> Event {
    EventBuilder::new("7bf73129-1428-4cd3-a780-95db273d1602", "aws.ec2", "EC2 Instance State-change Notification")
        .subject("arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111")
        .time("2015-11-11T21:29:54Z")
        .extension("account", "123456789012")
        .extension("region", "us-east-1")
        .data(r#"{"instance-id": "i-0123456789", "state": "RUNNING"}"#)
        .build()
        .unwrap()
}

const PATHS: [(&str, &str); 3] =
    [("timestamp", "$.time"), ("instance", "$.detail.instance-id"), ("state", "$.detail.state")];

#[test]
fn the_examples_of_the_documentation_come_out_as_it_says() {
    let cases = [
        (r#""instance <instance> is in <state>""#, r#""instance i-0123456789 is in RUNNING""#),
        (r#""instance \"<instance>\" is in <state>""#, r#""instance \"i-0123456789\" is in RUNNING""#),
        (
            "{\n  \"instance\" : <instance>,\n  \"state\": <state>\n}",
            r#"{"instance":"i-0123456789","state":"RUNNING"}"#,
        ),
        (
            r#"{"instance" : <instance>, "state": "<state>", "instanceStatus": "instance \"<instance>\" is in <state>"}"#,
            r#"{"instance":"i-0123456789","state":"RUNNING","instanceStatus":"instance \"i-0123456789\" is in RUNNING"}"#,
        ),
        (
            r#"{"instance" : <instance>, "state": [ 9, <state>, true ], "Transformed" : "Yes"}"#,
            r#"{"instance":"i-0123456789","state":[9,"RUNNING",true],"Transformed":"Yes"}"#,
        ),
        (r#""<aws.events.rule-name> triggered""#, r#""example triggered""#),
        (
            r#"{"timestamp" : <timestamp>, "message": "instance \"<instance>\" is in <state>"}"#,
            r#"{"timestamp":"2015-11-11T21:29:54Z","message":"instance \"i-0123456789\" is in RUNNING"}"#,
        ),
    ];
    for (template, wanted) in cases {
        assert_eq!(made(&PATHS, template, &instance()), wanted, "{template}");
    }
}

#[test]
fn the_variables_that_are_always_there_say_the_event_in_eventbridges_envelope() {
    let template = r#"{
        "ruleArn" : <aws.events.rule-arn>, "ruleName" : <aws.events.rule-name>,
        "at": <aws.events.event.ingestion-time>,
        "originalEvent" : <aws.events.event>, "originalEventJson": <aws.events.event.json>
    }"#;
    let envelope = |type_name: &str| {
        json!({
            "version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602", "source": "aws.ec2",
            type_name: "EC2 Instance State-change Notification", "account": "123456789012",
            "time": "2015-11-11T21:29:54Z", "region": "us-east-1",
            "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"],
        })
    };
    let mut all = envelope("detail-type");
    all["detail"] = json!({"instance-id": "i-0123456789", "state": "RUNNING"});
    let wanted = json!({
        "ruleArn": "arn:wharf:events::acme:rule/example", "ruleName": "example", "at": OCCASION.accepted,
        "originalEvent": envelope("detailType"), "originalEventJson": all,
    });
    assert_eq!(json(&made(&[], template, &instance())), wanted);
    let occasion = wharf_input::Occasion { bus: "audit", ..OCCASION };
    let input = Input::template(&crate::paths(&[]), "<aws.events.rule-arn>").unwrap();
    let out = input.apply(&instance(), &occasion).unwrap();
    assert_eq!(out.data().unwrap().bytes().as_ref(), br#""arn:wharf:events::acme:rule/audit/example""#);
}

#[test]
fn what_the_service_answered_to_others_comes_out_here_too() {
    let command = r#"{"command": "update-account", "payload": {"acc_id": "0a787ecb-4015", "sf_id": "baz"}}"#;
    let event = event(command);
    let of = [
        ("detail-type", "$.detail-type"),
        ("command", "$.detail.command"),
        ("missing", "$.detail.notinmessage"),
        ("userId", "$.detail.payload.acc_id"),
        ("payload", "$.detail.payload"),
    ];
    let cases = [
        (r#""info extracted from detail <missing>""#, r#""info extracted from detail ""#),
        (r#"{"command": <missing>}"#, r#"{"command":""}"#),
        (
            r#""{[/Check with special starting characters <detail-type>""#,
            r#""{[/Check with special starting characters order.created""#,
        ),
        (
            r#"{"method": "PUT", "path": "users-service/users/<userId>", "bod": <payload>}"#,
            r#"{"method":"PUT","path":"users-service/users/0a787ecb-4015","bod":{"acc_id": "0a787ecb-4015", "sf_id": "baz"}}"#,
        ),
        (
            r#"{"nested": {"level1": {"level2": "users/<userId>/second/<userId>"} }, "bod": ["<userId>", "hardcoded"]}"#,
            r#"{"nested":{"level1":{"level2":"users/0a787ecb-4015/second/0a787ecb-4015"}},"bod":["0a787ecb-4015","hardcoded"]}"#,
        ),
    ];
    for (template, wanted) in cases {
        assert_eq!(made(&of, template, &event), wanted, "{template}");
    }
    let cases = [
        ("$.detail.payload", r#"{"acc_id": "0a787ecb-4015", "sf_id": "baz"}"#),
        ("$.detail.payload.sf_id", r#""baz""#),
        ("$.detail", command),
    ];
    for (path, wanted) in cases {
        let (media_type, text) = payload(&Input::path(path).unwrap(), &event).unwrap();
        assert_eq!((media_type.as_deref(), text.as_str()), (Some("application/json"), wanted), "{path}");
    }
}
