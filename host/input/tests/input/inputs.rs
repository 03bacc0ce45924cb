//! What each kind of input makes of events of each kind.

use wharf_event::{Data, Event, EventBuilder, limits::EVENT_BYTES_MAX};
use wharf_input::{Input, Unmade};

use crate::{OCCASION, event, json, made, paths, payload};

#[test]
fn everything_but_the_payload_stays_as_it_was() {
    let before = EventBuilder::new("1", "shop/eu", "order.created")
        .subject("order/1")
        .time("2026-01-01T00:00:00Z")
        .datacontenttype("application/vnd.shop+json")
        .dataschema("https://example.com/order.json")
        .extension("priority", 3)
        .data(r#"{"n": 1.50}"#)
        .build()
        .unwrap();
    let after = Input::path("$.data.n").unwrap().apply(&before, &OCCASION).unwrap();
    let wanted = EventBuilder::new("1", "shop/eu", "order.created")
        .subject("order/1")
        .time("2026-01-01T00:00:00Z")
        .datacontenttype("application/json")
        .extension("priority", 3)
        .data("1.50");
    assert_eq!(after, wanted.build().unwrap());
}

#[test]
fn a_path_leads_to_attributes_and_into_the_payload_by_both_names() {
    let event = EventBuilder::new("1", "shop/eu", "order.created")
        .subject("order/\"1\"")
        .extension("priority", 3)
        .extension("urgent", true)
        .data(r#"{ "n": [1e2, {"x": null}], "a.b": 1.0 }"#)
        .build()
        .unwrap();
    let cases = [
        ("$.id", r#""1""#),
        ("$.type", r#""order.created""#),
        ("$.detail-type", r#""order.created""#),
        ("$['detail-type']", r#""order.created""#),
        ("$.subject", r#""order/\"1\"""#),
        ("$.resources", r#"["order/\"1\""]"#),
        ("$.resources[0]", r#""order/\"1\"""#),
        ("$.priority", "3"),
        ("$.urgent", "true"),
        ("$.specversion", r#""1.0""#),
        ("$.data", r#"{ "n": [1e2, {"x": null}], "a.b": 1.0 }"#),
        ("$.detail.n[0]", "1e2"),
        ("$.data.n[1].x", "null"),
        ("$.data['a.b']", "1.0"),
        ("$.data.n[*].x", "[null]"),
        ("$.data.n[*].y", "[]"),
    ];
    for (path, wanted) in cases {
        let made = payload(&Input::path(path).unwrap(), &event).unwrap();
        assert_eq!(made, (Some("application/json".to_owned()), wanted.to_owned()), "{path}");
    }
    let whole = payload(&Input::path("$").unwrap(), &event).unwrap().1;
    assert_eq!(json(&whole), event.to_value());
    for path in ["$.nothing", "$.data.n[2]", "$.data.a.b", "$.resources[1]", "$.data_base64"] {
        let made = Input::path(path).unwrap().apply(&event, &OCCASION).unwrap();
        assert_eq!((made.data(), made.datacontenttype()), (None, None), "{path}");
    }
}

#[test]
fn an_attribute_of_the_event_wins_over_eventbridges_name() {
    let event = EventBuilder::new("1", "s", "t").extension("detail", "own").extension("resources", 7).data("{}");
    let event = event.build().unwrap();
    assert_eq!(made(&[("d", "$.detail"), ("r", "$.resources")], "[<d>, <r>]", &event), r#"["own",7]"#);
    assert_eq!(made(&[("d", "$.detail.x"), ("r", "$.resources[0]")], "[<d>, <r>]", &event), r#"["",""]"#);
}

#[test]
fn payloads_that_are_not_json_are_what_they_are_in_the_json_form() {
    let of = |media_type: &str, data: Option<Data>| {
        let event = EventBuilder::new("1", "s", "t").build().unwrap();
        event.with_data(data.map(|data| (media_type, data))).unwrap()
    };
    let template = r#"[<d>, <b>, <t>, <cloudevents.event.json>, <aws.events.event.json>]"#;
    let made = |event: &Event| {
        let of = [("d", "$.data"), ("b", "$.data_base64"), ("t", "$.detail")];
        json(&made(&of, template, event)).as_array().unwrap().clone()
    };
    let text = of("text/plain", Some(Data::Text("a\n\"b\"".into())));
    let out = made(&text);
    assert_eq!(out[..3], [serde_json::json!("a\n\"b\""), "".into(), "a\n\"b\"".into()]);
    assert_eq!((&out[3], &out[4]["detail"]), (&text.to_value(), &out[0]));
    let binary = of("image/png", Some(Data::Binary(vec![0, 255].into())));
    let out = made(&binary);
    assert_eq!(out[..3], [serde_json::json!(""), "AP8=".into(), "".into()]);
    assert_eq!((&out[3], out[4].get("detail")), (&binary.to_value(), None));
    let nothing = of("", None);
    let out = made(&nothing);
    assert_eq!(out[..3], [serde_json::json!(""), "".into(), "".into()]);
    assert_eq!((&out[3], out[4].get("detail")), (&nothing.to_value(), None));
}

#[test]
fn within_a_string_everything_is_text_and_stays_one_string() {
    let data = r#"{"o": {"a": ["x", 1.0]}, "s": "q\"\\\u0041\n", "n": 1e2, "z": null}"#;
    let of = [("o", "$.data.o"), ("s", "$.data.s"), ("n", "$.data.n"), ("z", "$.data.z")];
    let cases = [
        (r#""<o>""#, r#""{\"a\": [\"x\", 1.0]}""#),
        (r#"{"x": "<s>", "y": <s>}"#, r#"{"x":"q\"\\\u0041\n","y":"q\"\\\u0041\n"}"#),
        (r#"["<n><z>", <n>, <z>]"#, r#"["1e2null",1e2,null]"#),
        (r#""a \u003c b < c <> d>""#, r#""a \u003c b < c <> d>""#),
        ("<o>", r#"{"a": ["x", 1.0]}"#),
        ("  true ", "true"),
        ("{ }", "{}"),
        ("[ ]", "[]"),
    ];
    for (template, wanted) in cases {
        assert_eq!(made(&of, template, &event(data)), wanted, "{template}");
    }
    let escaped = made(&[], r#"{"e": "<cloudevents.event.json>"}"#, &event(data));
    assert_eq!(json(json(&escaped)["e"].as_str().unwrap()), event(data).to_value());
}

#[test]
fn several_strings_make_a_text_of_as_many_lines() {
    let input = Input::template(
        &paths(&[("who", "$.data.who"), ("all", "$.data"), ("no", "$.data.no")]),
        "  \"<who> said:\\t\\\"hello\\\"\"\n\"\"\n \"<all>, <no>\" \n",
    );
    let (media_type, text) = payload(&input.unwrap(), &event(r#"{"who": "A\u0064a\n"}"#)).unwrap();
    assert_eq!(media_type.as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!(text, "Ada\n said:\t\"hello\"\n\n{\"who\": \"A\\u0064a\\n\"}, ");
}

#[test]
fn a_constant_is_what_it_was_written_as() {
    for text in [r#"{"n": 1.50, "s": "<x>"}"#, r#""text""#, " 1e2 ", "null"] {
        let made = payload(&Input::constant(text).unwrap(), &event("{}")).unwrap();
        assert_eq!(made, (Some("application/json".to_owned()), text.to_owned()));
    }
}

#[test]
fn the_twins_say_the_event_as_cloudevents_do() {
    let event = EventBuilder::new("1", "s", "t").extension("priority", 3).data(r#"{"n": 1.50}"#).build().unwrap();
    let out = json(&made(
        &[],
        r#"[<cloudevents.event>, <cloudevents.event.json>, <wharf.rule-name>, <wharf.event.ingestion-time>]"#,
        &event,
    ));
    let mut attributes = event.to_value();
    attributes.as_object_mut().unwrap().remove("data");
    assert_eq!(out, serde_json::json!([attributes, event.to_value(), "example", OCCASION.accepted]));
}

#[test]
fn an_input_that_no_event_can_have_is_not_made() {
    let large = event(format!("\"{}\"", "x".repeat(EVENT_BYTES_MAX / 2)));
    let twice = Input::template(&paths(&[("d", "$.data")]), "[<d>, <d>]").unwrap();
    assert_eq!(payload(&twice, &large), Err(Unmade::TooLarge));
    let once = Input::template(&paths(&[("d", "$.data")]), "[<d>]").unwrap();
    assert!(payload(&once, &large).is_ok());
    // The attributes count too.
    let full = EVENT_BYTES_MAX - event("1").size() - "\"\"".len() + 1;
    let fits = event(format!("\"{}\"", "x".repeat(full)));
    let error = payload(&once, &fits).unwrap_err();
    assert!(matches!(&error, Unmade::Event(_)) && error.to_string().contains("the event has "), "{error}");
    let deep = event(format!("{}{}", "[".repeat(120), "]".repeat(120)));
    let deeper =
        Input::template(&paths(&[("d", "$.data")]), &format!("{}<d>{}", "[".repeat(8), "]".repeat(8))).unwrap();
    let error = payload(&deeper, &deep).unwrap_err();
    assert!(matches!(&error, Unmade::Event(_)) && error.to_string().contains("recursion limit"), "{error}");
}

#[test]
fn an_envelope_has_the_event_as_it_came_with_its_topic_and_subscription() {
    let occasion = wharf_input::Occasion { bus: "topic/orders", rule: "orders/billing", ..crate::OCCASION };
    let event = crate::event(r#"{"n": 1.50}"#);
    let out = Input::envelope().apply(&event, &occasion).unwrap();
    let wanted = format!(
        r#"{{"topic":"orders","subscription":"billing","accepted":"2026-11-27T01:02:03.004Z","event":{}}}"#,
        String::from_utf8(event.to_json().to_vec()).unwrap()
    );
    assert_eq!(std::str::from_utf8(out.data().unwrap().bytes()).unwrap(), wanted);
    assert_eq!((out.id(), out.kind(), out.source()), (event.id(), event.kind(), event.source()));
}
