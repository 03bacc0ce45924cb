//! What a release asks for: what it imports, and what it says of that.
//!
//! Invariant: what it does not say it asks for as a whole, and any grant of that kind meets it. Asking allows nothing.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    grants::{GrantBounds, Grants},
    limits::{NEEDS_BYTES_MAX, NEEDS_MAX},
    names::PluginName,
};

/// The custom section in which a component says what it needs.
pub const NEEDS_SECTION: &str = "wharf:needs";

/// A text that does not say what a component needs.
#[derive(Debug, thiserror::Error)]
pub enum NeedsError {
    /// It is too long.
    #[error("it has more than {NEEDS_BYTES_MAX} bytes")]
    TooLong,
    /// It names too much.
    #[error("it names more than {NEEDS_MAX} event types, buckets, requests, routes, models or secrets")]
    TooMany,
    /// It is not the JSON that it should be.
    #[error(
        "it is not `{{\"publish\": [TYPES], \"kv\": [BUCKETS], \"http\": [REQUESTS], \"llm\": [ROUTES], \"infer\": [MODELS], \"hold\": [SECRETS]}}`: {0}"
    )]
    Json(#[from] serde_json::Error),
}

/// What a release asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asks {
    /// It imports what publishes.
    pub publish: bool,
    /// It imports key-value buckets.
    pub kv: bool,
    /// It imports what sends requests. (Not written where it does not, as before it could.)
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub http: bool,
    /// It imports what asks models.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub llm: bool,
    /// It imports what asks models of its tenant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub infer: bool,
    /// It imports what gives it secrets to hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hold: bool,
    /// What it says of that.
    #[serde(default, skip_serializing_if = "GrantBounds::is_open")]
    pub said: GrantBounds,
}

/// What is asked for and not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// What can be named.
    pub said: Grants,
    /// Kinds of which it does not say what is needed.
    pub unsaid: Vec<&'static str>,
}

impl Missing {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.said.is_empty() && self.unsaid.is_empty()
    }

    /// The options of `wharf grant approve` that name what it does not say.
    #[must_use]
    pub fn options(&self) -> String {
        self.unsaid.iter().map(|kind| format!(" {}", naming(kind).1)).collect()
    }

    /// Each of it in words.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let unsaid = self.unsaid.iter().map(|kind| {
            let (what, option) = naming(kind);
            format!("{kind} (which {what} it does not say: {option})")
        });
        self.said.told().into_iter().chain(unsaid).collect()
    }
}

/// What of a kind is granted, and the option of `wharf grant approve` that names it.
fn naming(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "publish" => ("types", "--publish 'TYPE.*'"),
        "http" => ("requests", "--http 'https://HOST/*'"),
        "llm" => ("routes", "--llm ROUTE"),
        "infer" => ("models", "--infer MODEL"),
        "hold" => ("secrets", "--hold SECRET"),
        _ => ("buckets", "--kv BUCKET"),
    }
}

impl Asks {
    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The same of a plugin of this name, whose own bucket is `default` to it.
    #[must_use]
    pub fn of_plugin(self, plugin: &PluginName) -> Self {
        Self { said: self.said.of_plugin(plugin), ..self }
    }

    /// What of it these grants do not meet.
    #[must_use]
    pub fn missing(&self, granted: &Grants) -> Missing {
        let Grants { publish, kv, http, secrets: _, llm, infer, hold } = granted;
        let none =
            [publish.is_empty(), kv.is_empty(), http.is_empty(), llm.is_empty(), infer.is_empty(), hold.is_empty()];
        self.beyond(granted, none.map(|is_none| !is_none))
    }

    /// What of it another release does not ask for.
    #[must_use]
    pub fn since(&self, before: &Self) -> Missing {
        self.beyond(
            &before.said.said(),
            [before.publish, before.kv, before.http, before.llm, before.infer, before.hold],
        )
    }

    /// All of it.
    #[must_use]
    pub fn all(&self) -> Missing {
        self.missing(&Grants::default())
    }

    fn beyond(&self, there: &Grants, [publishes, stores, sends, asks, infers, holds]: [bool; 6]) -> Missing {
        let kinds = [
            ("publish", self.publish && self.said.publish.is_none() && !publishes),
            ("kv", self.kv && self.said.kv.is_none() && !stores),
            ("http", self.http && self.said.http.is_none() && !sends),
            ("llm", self.llm && self.said.llm.is_none() && !asks),
            ("infer", self.infer && self.said.infer.is_none() && !infers),
            ("hold", self.hold && self.said.hold.is_none() && !holds),
        ];
        let unsaid = kinds.into_iter().filter(|(_, is_missing)| *is_missing).map(|(kind, _)| kind).collect();
        Missing { said: there.missing(&self.said.said()), unsaid }
    }
}

/// What sections of a component say together: `text` has the content of one after that of the other, as linkers leave it.
///
/// # Errors
/// When it is not what it should be.
pub fn needs_from_json(text: &[u8]) -> Result<GrantBounds, NeedsError> {
    if text.len() > NEEDS_BYTES_MAX {
        return Err(NeedsError::TooLong);
    }
    let mut needs = GrantBounds::default();
    for said in serde_json::Deserializer::from_slice(text).into_iter::<Map<String, Value>>() {
        let said: GrantBounds = serde_json::from_value(said?.into())?;
        let Grants { publish, kv, http, secrets, llm, infer, hold } = needs.said().with(&said.said());
        needs = GrantBounds {
            publish: (needs.publish.is_some() || said.publish.is_some()).then_some(publish),
            kv: (needs.kv.is_some() || said.kv.is_some()).then_some(kv),
            http: (needs.http.is_some() || said.http.is_some()).then_some(http),
            secrets: (needs.secrets.is_some() || said.secrets.is_some()).then_some(secrets),
            llm: (needs.llm.is_some() || said.llm.is_some()).then_some(llm),
            infer: (needs.infer.is_some() || said.infer.is_some()).then_some(infer),
            hold: (needs.hold.is_some() || said.hold.is_some()).then_some(hold),
        };
    }
    if needs.said().each().count() > NEEDS_MAX { Err(NeedsError::TooMany) } else { Ok(needs) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(publish: bool, kv: bool, said: &str) -> Asks {
        Asks { publish, kv, said: needs_from_json(said.as_bytes()).unwrap(), ..Asks::default() }
    }

    fn grants(text: &str) -> Grants {
        needs_from_json(text.as_bytes()).unwrap().said()
    }

    #[test]
    fn what_is_not_said_is_met_by_any_grant_of_its_kind() {
        let coarse = asks(true, true, "");
        assert_eq!(
            coarse.all().told(),
            [
                "publish (which types it does not say: --publish 'TYPE.*')",
                "kv (which buckets it does not say: --kv BUCKET)"
            ]
        );
        assert_eq!(coarse.missing(&grants(r#"{"kv": ["b"]}"#)).unsaid, ["publish"]);
        assert!(coarse.missing(&grants(r#"{"kv": ["b:read"], "publish": ["a"]}"#)).is_empty());
        assert!(asks(false, false, "").is_nothing());
        let sends = Asks { http: true, ..asks(true, false, "") };
        assert_eq!(
            sends.since(&asks(true, false, "")).told(),
            ["http (which requests it does not say: --http 'https://HOST/*')"]
        );
        let infers = Asks { infer: true, ..asks(false, false, "") };
        assert_eq!(infers.all().told(), ["infer (which models it does not say: --infer MODEL)"]);
        assert!(infers.missing(&grants(r#"{"infer": ["fraud"]}"#)).is_empty());
        let holds = Asks { hold: true, ..asks(false, false, "") };
        assert_eq!(holds.all().told(), ["hold (which secrets it does not say: --hold SECRET)"]);
        assert!(holds.missing(&grants(r#"{"hold": ["signing"]}"#)).is_empty());
        let named = Asks { infer: true, ..asks(false, false, r#"{"infer": ["fraud"]}"#) };
        assert_eq!(named.missing(&grants(r#"{"infer": ["churn"]}"#)).told(), ["infer fraud"]);
        assert!(sends.missing(&grants(r#"{"http": ["https://a.example"], "publish": ["a"]}"#)).is_empty());
    }

    #[test]
    fn what_is_said_is_asked_for_to_the_letter() {
        let fine = asks(true, true, r#"{"publish": ["order.*"], "kv": ["orders", "prices:read"]}"#);
        let granted = grants(r#"{"publish": ["order.created"], "kv": ["orders:read", "prices"]}"#);
        assert_eq!(fine.missing(&granted).told(), ["publish order.*", "kv orders (write)"]);
        assert!(asks(true, false, r#"{"publish": []}"#).all().is_empty(), "it says that it needs none");
    }

    #[test]
    fn two_releases_are_told_apart_by_what_is_new() {
        let before = asks(true, false, r#"{"publish": ["order.*"]}"#);
        let after = asks(true, true, r#"{"publish": ["order.created", "paid"], "kv": ["orders"]}"#);
        assert_eq!(after.since(&before).told(), ["publish paid", "kv orders (write)"]);
        assert_eq!(asks(true, true, "").since(&before).unsaid, ["kv"]);
        assert!(before.since(&before).is_empty());
    }

    #[test]
    fn sections_are_read_together_and_have_bounds() {
        let two = needs_from_json(br#"{"kv": ["a:read"]}{"kv": ["a"], "publish": []}"#).unwrap();
        assert_eq!(serde_json::to_string(&two).unwrap(), r#"{"publish":[],"kv":["a"]}"#);
        for wrong in ["[]", "{", r#"{"ai": []}"#, r#"{"kv": ["No"]}"#, r#"{"publish": ["*a"]}"#, r#"{"kv": "a"}"#] {
            assert!(matches!(needs_from_json(wrong.as_bytes()), Err(NeedsError::Json(_))), "{wrong}");
        }
        let many: Vec<String> = (0..=NEEDS_MAX).map(|n| format!("b{n}")).collect();
        let many = serde_json::to_vec(&serde_json::json!({ "kv": many })).unwrap();
        assert!(matches!(needs_from_json(&many), Err(NeedsError::TooMany)));
        assert!(matches!(needs_from_json(&vec![b' '; NEEDS_BYTES_MAX + 1]), Err(NeedsError::TooLong)));
    }
}
