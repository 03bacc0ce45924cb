//! What plugins may use beyond computing, and how that is compared: event types that they publish, buckets that they open, requests that
//! they send, models that they ask, be they of others or the tenant's own, and secrets that they hold.
//!
//! Invariant: a grant that exists has one text, and parsing is the only way in. What one grant covers follows from it alone: two
//! together never cover what neither does.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    http_access::{HttpAccess, HttpAsked},
    limits::{ERROR_VALUE_CHARS_MAX, GRANT_BYTES_MAX},
    names::{BucketName, ModelName, NameError, PluginName, RouteName, SecretName},
    secret_use::SecretUse,
};

/// What stands behind the name of a bucket that is only read.
const READ: &str = ":read";

/// What a plugin calls its own bucket, which has the plugin's name.
const DEFAULT_BUCKET: &str = "default";

/// Event types that a plugin may publish: one, or with a `*` at the end all that begin so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTypes(String);

/// A bucket that a plugin may open, and whether it may write there: `orders`, or `orders:read`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketAccess {
    bucket: BucketName,
    writes: bool,
}

/// A text that is no grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Nothing is there.
    #[error("an empty type grants nothing")]
    Empty,
    /// A star that is no end.
    #[error("in `{0}` a `*` stands before the end; only at the end does it stand for anything")]
    StarWithin(String),
    /// More than any event type has.
    #[error("an event type has at most {GRANT_BYTES_MAX} bytes")]
    TooLong,
    /// No name of a bucket.
    #[error(transparent)]
    Bucket(#[from] NameError),
}

impl EventTypes {
    /// What was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn has(&self, kind: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => kind.starts_with(prefix),
            None => kind == self.0,
        }
    }
}

impl FromStr for EventTypes {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        match text.strip_suffix('*').unwrap_or(text) {
            "" if text.is_empty() => Err(GrantError::Empty),
            _ if text.len() > GRANT_BYTES_MAX => Err(GrantError::TooLong),
            types if types.contains('*') => {
                Err(GrantError::StarWithin(text.chars().take(ERROR_VALUE_CHARS_MAX).collect()))
            }
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for EventTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl BucketAccess {
    /// Reading and writing a bucket.
    #[must_use]
    pub const fn whole(bucket: BucketName) -> Self {
        Self { bucket, writes: true }
    }

    /// The bucket.
    #[must_use]
    pub const fn bucket(&self) -> &BucketName {
        &self.bucket
    }

    /// Whether it may be written.
    #[must_use]
    pub const fn writes(&self) -> bool {
        self.writes
    }
}

impl FromStr for BucketAccess {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let (bucket, writes) = text.strip_suffix(READ).map_or((text, true), |bucket| (bucket, false));
        Ok(Self { bucket: bucket.parse()?, writes })
    }
}

impl fmt::Display for BucketAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.bucket, if self.writes { "" } else { READ })
    }
}

macro_rules! as_text {
    ($($name:ident)+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )+};
}

as_text! { EventTypes BucketAccess HttpAccess SecretUse }

/// A grant of one kind.
pub(crate) trait Covers: Clone + PartialEq {
    /// Whether whatever the other one allows is allowed by this one.
    fn covers(&self, other: &Self) -> bool;
}

impl Covers for EventTypes {
    fn covers(&self, other: &Self) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => other.0.strip_suffix('*').unwrap_or(&other.0).starts_with(prefix),
            None => self == other,
        }
    }
}

impl Covers for BucketAccess {
    fn covers(&self, other: &Self) -> bool {
        self.bucket == other.bucket && self.writes >= other.writes
    }
}

impl Covers for RouteName {
    fn covers(&self, other: &Self) -> bool {
        self == other
    }
}

impl Covers for ModelName {
    fn covers(&self, other: &Self) -> bool {
        self == other
    }
}

impl Covers for SecretName {
    fn covers(&self, other: &Self) -> bool {
        self == other
    }
}

fn missing<T: Covers>(granted: &[T], wanted: &[T]) -> Vec<T> {
    wanted.iter().filter(|wanted| !granted.iter().any(|granted| granted.covers(wanted))).cloned().collect()
}

fn joined<T: Covers>(granted: &[T], more: &[T]) -> Vec<T> {
    let mut all: Vec<T> = Vec::new();
    for grant in granted.iter().chain(more) {
        if !all.iter().any(|held| held.covers(grant)) {
            all.retain(|held| !grant.covers(held));
            all.push(grant.clone());
        }
    }
    all
}

/// What both allow.
fn common<T: Covers>(granted: &[T], bound: &[T]) -> Vec<T> {
    let within = |grant: &T| -> Vec<T> {
        match bound.iter().any(|bound| bound.covers(grant)) {
            true => vec![grant.clone()],
            false => bound.iter().filter(|bound| grant.covers(bound)).cloned().collect(),
        }
    };
    joined(&[], &granted.iter().flat_map(within).collect::<Vec<_>>())
}

/// What a plugin may use. Everything else is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Event types that it may publish.
    pub publish: Vec<EventTypes>,
    /// Buckets that it may open.
    pub kv: Vec<BucketAccess>,
    /// Requests that it may send. (Not written where there is none, as before there was this kind.)
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpAccess>,
    /// Fields and queries of its requests that the host puts a secret into.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretUse>,
    /// Routes by which it may ask models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub llm: Vec<RouteName>,
    /// Models of its tenant that it may ask.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub infer: Vec<ModelName>,
    /// Secrets whose values it may have in its own memory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hold: Vec<SecretName>,
}

impl Grants {
    /// Whether events of this type may be published.
    #[must_use]
    pub fn may_publish(&self, kind: &str) -> bool {
        self.publish.iter().any(|types| types.has(kind))
    }

    /// Whether a bucket may be opened.
    #[must_use]
    pub fn may_read(&self, bucket: &BucketName) -> bool {
        self.kv.iter().any(|access| access.bucket == *bucket)
    }

    /// Whether it may be written too.
    #[must_use]
    pub fn may_write(&self, bucket: &BucketName) -> bool {
        self.kv.iter().any(|access| access.bucket == *bucket && access.writes)
    }

    /// What allows a request; nothing where it is not allowed. Of several the one that reaches further.
    #[must_use]
    pub fn may_send(&self, asked: HttpAsked<'_>) -> Option<&HttpAccess> {
        self.http.iter().filter(|access| access.allows(asked)).max_by_key(|access| access.is_private())
    }

    /// Whether a model may be asked by a route.
    #[must_use]
    pub fn may_ask(&self, route: &str) -> bool {
        self.llm.iter().any(|granted| granted.as_str() == route)
    }

    /// Whether a model of the tenant may be asked.
    #[must_use]
    pub fn may_infer(&self, model: &str) -> bool {
        self.infer.iter().any(|granted| granted.as_str() == model)
    }

    /// Whether the value of a secret may be had.
    #[must_use]
    pub fn may_hold(&self, secret: &str) -> bool {
        self.hold.iter().any(|granted| granted.as_str() == secret)
    }

    /// Whether it allows nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What of `wanted` this does not allow.
    #[must_use]
    pub fn missing(&self, wanted: &Self) -> Self {
        Self {
            publish: missing(&self.publish, &wanted.publish),
            kv: missing(&self.kv, &wanted.kv),
            http: missing(&self.http, &wanted.http),
            secrets: missing(&self.secrets, &wanted.secrets),
            llm: missing(&self.llm, &wanted.llm),
            infer: missing(&self.infer, &wanted.infer),
            hold: missing(&self.hold, &wanted.hold),
        }
    }

    /// This and more, nothing twice.
    #[must_use]
    pub fn with(&self, more: &Self) -> Self {
        Self {
            publish: joined(&self.publish, &more.publish),
            kv: joined(&self.kv, &more.kv),
            http: joined(&self.http, &more.http),
            secrets: joined(&self.secrets, &more.secrets),
            llm: joined(&self.llm, &more.llm),
            infer: joined(&self.infer, &more.infer),
            hold: joined(&self.hold, &more.hold),
        }
    }

    /// This without whatever `less` covers.
    #[must_use]
    pub fn without(&self, less: &Self) -> Self {
        less.missing(self)
    }

    /// Each grant alone.
    pub fn each(&self) -> impl Iterator<Item = Self> {
        let publish = self.publish.iter().map(|one| Self { publish: vec![one.clone()], ..Self::default() });
        let kv = self.kv.iter().map(|one| Self { kv: vec![one.clone()], ..Self::default() });
        let http = self.http.iter().map(|one| Self { http: vec![one.clone()], ..Self::default() });
        let secrets = self.secrets.iter().map(|one| Self { secrets: vec![one.clone()], ..Self::default() });
        let llm = self.llm.iter().map(|one| Self { llm: vec![one.clone()], ..Self::default() });
        let infer = self.infer.iter().map(|one| Self { infer: vec![one.clone()], ..Self::default() });
        let hold = self.hold.iter().map(|one| Self { hold: vec![one.clone()], ..Self::default() });
        publish.chain(kv).chain(http).chain(secrets).chain(llm).chain(infer).chain(hold)
    }

    /// Each of them in words.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        let publish = self.publish.iter().map(|types| format!("publish {types}"));
        let access = |writes| if writes { "write" } else { "read" };
        let kv = self.kv.iter().map(|kv| format!("kv {} ({})", kv.bucket, access(kv.writes)));
        let http = self.http.iter().map(|access| format!("http {access}"));
        let secrets = self.secrets.iter().map(|used| format!("secret {used}"));
        let llm = self.llm.iter().map(|route| format!("llm {route}"));
        let infer = self.infer.iter().map(|model| format!("infer {model}"));
        let hold = self.hold.iter().map(|secret| format!("hold {secret}"));
        publish.chain(kv).chain(http).chain(secrets).chain(llm).chain(infer).chain(hold).collect()
    }
}

/// As `wharf.toml` has it: `{ publish = ["order.*"], kv = ["orders"] }`.
impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: fmt::Display>(kind: &str, all: &[T]) -> Option<String> {
            let texts: Vec<_> = all.iter().map(|it| format!("{:?}", it.to_string())).collect();
            (!all.is_empty()).then(|| format!("{kind} = [{}]", texts.join(", ")))
        }
        let kinds = [
            list("publish", &self.publish),
            list("kv", &self.kv),
            list("http", &self.http),
            list("secrets", &self.secrets),
            list("llm", &self.llm),
            list("infer", &self.infer),
            list("hold", &self.hold),
        ];
        let kinds: Vec<_> = kinds.into_iter().flatten().collect();
        if kinds.is_empty() { f.write_str("{}") } else { write!(f, "{{ {} }}", kinds.join(", ")) }
    }
}

/// The most that may be granted, kind by kind: a kind that is not said has no bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantBounds {
    /// Event types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<Vec<EventTypes>>,
    /// Buckets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv: Option<Vec<BucketAccess>>,
    /// Requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Vec<HttpAccess>>,
    /// Fields and queries with secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<SecretUse>>,
    /// Routes to models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llm: Option<Vec<RouteName>>,
    /// Models of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infer: Option<Vec<ModelName>>,
    /// Secrets that are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Vec<SecretName>>,
}

impl GrantBounds {
    /// Whether nothing is bounded.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// What of these grants lies within.
    #[must_use]
    pub fn within(&self, grants: &Grants) -> Grants {
        fn bounded<T: Covers>(granted: &[T], bound: Option<&Vec<T>>) -> Vec<T> {
            bound.map_or_else(|| granted.to_vec(), |bound| common(granted, bound))
        }
        Grants {
            publish: bounded(&grants.publish, self.publish.as_ref()),
            kv: bounded(&grants.kv, self.kv.as_ref()),
            http: bounded(&grants.http, self.http.as_ref()),
            secrets: bounded(&grants.secrets, self.secrets.as_ref()),
            llm: bounded(&grants.llm, self.llm.as_ref()),
            infer: bounded(&grants.infer, self.infer.as_ref()),
            hold: bounded(&grants.hold, self.hold.as_ref()),
        }
    }

    /// What of these grants lies beyond.
    #[must_use]
    pub fn beyond(&self, grants: &Grants) -> Grants {
        Grants {
            publish: self.publish.as_ref().map_or_else(Vec::new, |bound| missing(bound, &grants.publish)),
            kv: self.kv.as_ref().map_or_else(Vec::new, |bound| missing(bound, &grants.kv)),
            http: self.http.as_ref().map_or_else(Vec::new, |bound| missing(bound, &grants.http)),
            secrets: self.secrets.as_ref().map_or_else(Vec::new, |bound| missing(bound, &grants.secrets)),
            llm: self.llm.as_ref().map_or_else(Vec::new, |bound| missing(bound, &grants.llm)),
            infer: self.infer.as_ref().map_or_else(Vec::new, |bound| missing(bound, &grants.infer)),
            hold: self.hold.as_ref().map_or_else(Vec::new, |bound| missing(bound, &grants.hold)),
        }
    }

    /// The same of a plugin of this name, whose own bucket is `default` to it.
    #[must_use]
    pub fn of_plugin(mut self, plugin: &PluginName) -> Self {
        if let Ok(own) = plugin.as_str().parse::<BucketName>() {
            let of_default = self.kv.iter_mut().flatten().filter(|access| access.bucket.as_str() == DEFAULT_BUCKET);
            of_default.for_each(|access| access.bucket = own.clone());
        }
        self
    }

    /// All that is said.
    #[must_use]
    pub fn said(&self) -> Grants {
        Grants {
            publish: self.publish.clone().unwrap_or_default(),
            kv: self.kv.clone().unwrap_or_default(),
            http: self.http.clone().unwrap_or_default(),
            secrets: self.secrets.clone().unwrap_or_default(),
            llm: self.llm.clone().unwrap_or_default(),
            infer: self.infer.clone().unwrap_or_default(),
            hold: self.hold.clone().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(publish: &[&str], kv: &[&str]) -> Grants {
        let publish = publish.iter().map(|text| text.parse().unwrap()).collect();
        Grants { publish, kv: kv.iter().map(|text| text.parse().unwrap()).collect(), ..Grants::default() }
    }

    #[test]
    fn a_grant_has_one_text() {
        for text in ["order.created", "order.*", "*"] {
            assert_eq!(text.parse::<EventTypes>().unwrap().to_string(), text);
        }
        for text in ["orders", "orders:read"] {
            assert_eq!(text.parse::<BucketAccess>().unwrap().to_string(), text);
        }
        assert_eq!("".parse::<EventTypes>(), Err(GrantError::Empty));
        assert_eq!("*.a".parse::<EventTypes>(), Err(GrantError::StarWithin("*.a".into())));
        assert_eq!("a".repeat(GRANT_BYTES_MAX + 1).parse::<EventTypes>(), Err(GrantError::TooLong));
        for text in ["", "No", "orders:write", ":read", "orders:read:read"] {
            assert!(text.parse::<BucketAccess>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_granted_is_allowed_and_nothing_beside() {
        let granted = grants(&["order.*", "paid"], &["orders", "prices:read"]);
        for (kind, allowed) in
            [("order.", true), ("order.x", true), ("order", false), ("paid", true), ("paid.x", false)]
        {
            assert_eq!(granted.may_publish(kind), allowed, "{kind}");
        }
        for (bucket, reads, writes) in [("orders", true, true), ("prices", true, false), ("other", false, false)] {
            let bucket = bucket.parse().unwrap();
            assert_eq!((granted.may_read(&bucket), granted.may_write(&bucket)), (reads, writes), "{bucket}");
        }
        assert_eq!(granted.told(), ["publish order.*", "publish paid", "kv orders (write)", "kv prices (read)"]);
        assert_eq!(granted.to_string(), r#"{ publish = ["order.*", "paid"], kv = ["orders", "prices:read"] }"#);
        assert_eq!(Grants::default().to_string(), "{}");
        let sends: Grants = serde_json::from_str(r#"{"http": ["GET https://a.example"], "kv": ["b"]}"#).unwrap();
        assert_eq!(sends.to_string(), r#"{ kv = ["b"], http = ["GET https://a.example"] }"#);
        assert_eq!(sends.told(), ["kv b (write)", "http GET https://a.example"]);
        let infers: Grants = serde_json::from_str(r#"{"infer": ["fraud"], "llm": ["triage"]}"#).unwrap();
        assert_eq!(infers.to_string(), r#"{ llm = ["triage"], infer = ["fraud"] }"#);
        assert_eq!(infers.told(), ["llm triage", "infer fraud"]);
        assert!(infers.may_infer("fraud") && !infers.may_infer("triage"));
    }

    #[test]
    fn a_secret_is_held_by_a_grant_of_its_own_and_by_none_that_puts_it_into_a_field() {
        let text = r#"{"secrets": ["https://a.example x: {secret:field}"], "hold": ["signing"]}"#;
        let granted: Grants = serde_json::from_str(text).unwrap();
        assert!(granted.may_hold("signing") && !granted.may_hold("field"));
        assert_eq!(granted.told(), ["secret https://a.example x: {secret:field}", "hold signing"]);
        assert!(granted.to_string().ends_with(r#", hold = ["signing"] }"#), "{granted}");
        let bound: GrantBounds = serde_json::from_str(r#"{"hold": []}"#).unwrap();
        assert_eq!(bound.beyond(&granted).told(), ["hold signing"]);
        assert!(!bound.within(&granted).may_hold("signing"));
        let revoked: Grants = serde_json::from_str(r#"{"hold": ["signing"]}"#).unwrap();
        assert_eq!(granted.without(&revoked).each().count(), 1);
    }

    #[test]
    fn grants_are_joined_and_taken_away_by_what_covers_what() {
        let some = grants(&["order.created"], &["orders:read"]);
        let more = grants(&["order.*", "x"], &["orders", "prices:read"]);
        assert_eq!(some.missing(&more), more);
        assert_eq!(more.missing(&some), Grants::default());
        assert_eq!(some.with(&more), more);
        assert_eq!(more.with(&some), more);
        assert_eq!(more.without(&grants(&["order.*"], &["orders:read", "prices"])), grants(&["x"], &["orders"]));
        assert_eq!(some.without(&grants(&["*"], &["orders"])), Grants::default());
    }

    #[test]
    fn a_bound_is_the_most_and_a_kind_that_is_not_said_has_none() {
        let granted = grants(&["order.*", "paid"], &["orders"]);
        let bounds = |text: &str| serde_json::from_str::<GrantBounds>(text).unwrap();
        assert!(bounds("{}").is_open());
        assert_eq!(bounds("{}").within(&granted), granted);
        let bound = bounds(r#"{"publish": ["order.created", "p*", "z"], "kv": ["orders:read", "other"]}"#);
        assert_eq!(bound.within(&granted), grants(&["order.created", "paid"], &["orders:read"]));
        assert_eq!(bound.beyond(&granted), grants(&["order.*"], &["orders"]));
        let none = bounds(r#"{"kv": []}"#);
        assert_eq!(none.within(&granted), grants(&["order.*", "paid"], &[]));
        assert_eq!(none.beyond(&granted), grants(&[], &["orders"]));
        assert!(serde_json::from_str::<GrantBounds>(r#"{"kv": ["b"], "ai": []}"#).is_err());
        let models: Grants = serde_json::from_str(r#"{"infer": ["a", "b"]}"#).unwrap();
        let bound = bounds(r#"{"infer": ["b", "c"]}"#);
        assert_eq!(
            (bound.within(&models).told(), bound.beyond(&models).told()),
            (vec!["infer b".to_owned()], vec!["infer a".to_owned()])
        );
        let own = bounds(r#"{"kv": ["default:read", "b"]}"#).of_plugin(&"triage".parse().unwrap());
        assert_eq!(own.said(), grants(&[], &["triage:read", "b"]));
    }
}
