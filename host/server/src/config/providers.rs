//! Who has models: their protocol, where they are, and by whose key they are asked.
//!
//! Invariant: no key stands in the file: it names a secret or a variable. Files that it names are not opened here.

use std::{ops::Range, str::FromStr};

use wharf_aws::Source;
use wharf_egress::Place;
use wharf_event::SecretName;

use super::{
    keys::{Key, Otherwise, Shape, key},
    table::{Sink, Table},
};

/// The field for an answer's tokens, and what it was called before.
const TOKENS_FIELDS: [&str; 2] = ["max_completion_tokens", "max_tokens"];

/// A protocol of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OpenAI's, which many servers speak.
    OpenAi,
    /// Amazon Bedrock's runtime.
    Bedrock,
    /// Amazon SageMaker's runtime: endpoints whose containers speak OpenAI's.
    SageMaker,
    /// None: the host answers by itself.
    Echo,
    /// None either: a file says what is answered.
    Replay,
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|kind| kind.name() == text);
        named.ok_or_else(|| format!("`{text}` is no protocol of models"))
    }
}

impl Protocol {
    const ALL: [Self; 5] = [Self::OpenAi, Self::Bedrock, Self::SageMaker, Self::Echo, Self::Replay];

    /// As configurations call it.
    const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Bedrock => "bedrock",
            Self::SageMaker => "sagemaker",
            Self::Echo => "echo",
            Self::Replay => "replay",
        }
    }

    /// Whether somebody outside of the host is asked by it.
    #[must_use]
    pub const fn is_asked(self) -> bool {
        !matches!(self, Self::Echo | Self::Replay)
    }

    /// The keys that mean something to it, beside its kind.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::OpenAi => &["endpoint", "secret", "key_env", "tokens_field"],
            Self::Bedrock => &["endpoint", "region", "secret", "key_env", "credentials"],
            Self::SageMaker => &["endpoint", "region", "secret", "credentials", "tokens_field"],
            Self::Echo => &[],
            Self::Replay => &["answers"],
        }
    }
}

/// A file of answers, relative to the configuration's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswersFile {
    /// Which.
    pub file: String,
    /// Where it is named, for mistakes found in it.
    pub span: Range<usize>,
}

/// Somebody who has models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderConfig {
    /// Its protocol.
    pub kind: Protocol,
    /// Where: an absolute URL without a slash at its end; empty where nobody is asked.
    pub endpoint: String,
    /// The secret of the tenant that asks.
    pub secret: Option<SecretName>,
    /// The variable with the operator's own key.
    pub key_env: Option<String>,
    /// Where the host's own credentials for AWS are, where neither of them is said.
    pub credentials: Source,
    /// The field for an answer's tokens.
    pub tokens_field: &'static str,
    /// The region of AWS; empty where there is none.
    pub region: String,
    /// What is answered, where a file says it.
    pub answers: Option<AnswersFile>,
}

pub(super) static PROVIDER: &[Key] = &[
    key(
        "kind",
        "Its protocol: `openai`, which many servers speak (chat completions and embeddings); `bedrock`, Amazon Bedrock's runtime (Converse, CountTokens, Titan's and Cohere's embeddings); `sagemaker`, real-time endpoints of Amazon SageMaker whose containers speak `openai`; `echo`, where the host answers by itself; or `replay`, where a file says what is answered.",
        Shape::Choice(&["openai", "bedrock", "sagemaker", "echo", "replay"]),
        Otherwise::Required,
    ),
    key(
        "endpoint",
        "Where it is: the URL before `/chat/completions`, as in `https://api.openai.com/v1`. An address that is not public has to be in `egress.networks`. For `bedrock` and `sagemaker` that of the region if none is given.",
        Shape::Text,
        Otherwise::Nothing,
    ),
    key("region", "The region of `bedrock` or `sagemaker`, as in `eu-central-1`.", Shape::Name, Otherwise::Nothing),
    key(
        "secret",
        "The secret with its key, of the tenant that asks (`wharf secret set`); for `bedrock` and `sagemaker` `ACCESS_KEY_ID:SECRET_ACCESS_KEY`; for `bedrock` also one of its API keys.",
        Shape::Name,
        Otherwise::Nothing,
    ),
    key(
        "key_env",
        "The host's variable with its key, where it is the operator's. `sagemaker` has no such keys.",
        Shape::Text,
        Otherwise::Nothing,
    ),
    key(
        "credentials",
        "Where the host's own credentials for AWS are, which sign for `bedrock` and `sagemaker` with neither of them: `environment` (AWS_ACCESS_KEY_ID and its like), `profile` (of the files that AWS's own programs read, with what it leads to), `web-identity` (AWS_WEB_IDENTITY_TOKEN_FILE), `container` (AWS_CONTAINER_CREDENTIALS_FULL_URI or …_RELATIVE_URI), `instance` (its metadata service, by IMDSv2), or `chain`, as where nothing is said: the first of these that has any.",
        Shape::Choice(&Source::NAMES),
        Otherwise::Nothing,
    ),
    key(
        "tokens_field",
        "The field for the tokens of an answer at most, of `openai` and `sagemaker`: `max_completion_tokens` if nothing is said; older servers know `max_tokens` only.",
        Shape::Choice(&TOKENS_FIELDS),
        Otherwise::Nothing,
    ),
    key(
        "answers",
        "The file of answers of `replay`, a line of JSON each, relative to the folder of this file.",
        Shape::Text,
        Otherwise::Nothing,
    ),
];

/// Reads one of them.
pub(super) fn read(table: &Table<'_>, sink: &Sink) -> Option<ProviderConfig> {
    let whole = |text: &str| text.parse::<Place>().map(|_| text.trim_end_matches('/').to_owned());
    let kind = table.parsed::<Protocol>("kind").map(|found| found.value);
    if table.value("kind").is_none() {
        table.missing("kind", "say its protocol: kind = \"openai\"");
    }
    if let Some(kind) = kind {
        has_its_own_keys(table, kind, sink);
    }
    let endpoint = table.parsed_by("endpoint", whole);
    let region = table.parsed_by("region", |text| {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fine = !text.is_empty() && text.len() <= 63 && text.bytes().all(letter);
        if fine { Ok(text.to_owned()) } else { Err(format!("`{text}` is no region")) }
    });
    let region = region.map(|found| found.value).unwrap_or_default();
    match kind {
        Some(Protocol::OpenAi) if table.value("endpoint").is_none() => {
            table.missing("endpoint", "say where it is: endpoint = \"https://api.openai.com/v1\"");
        }
        Some(Protocol::Bedrock | Protocol::SageMaker) if table.value("region").is_none() => {
            table.missing("region", "say which it is: region = \"eu-central-1\"");
        }
        _ => {}
    }
    let (secret, key_env) = read_keys(table, sink);
    let credentials = read_credentials(table, sink);
    let tokens_field = table.parsed_by("tokens_field", |text| {
        TOKENS_FIELDS.iter().find(|field| **field == text).copied().ok_or_else(|| format!("`{text}` is no such field"))
    });
    let tokens_field = tokens_field.map_or(TOKENS_FIELDS[0], |found| found.value);
    if kind == Some(Protocol::Replay) && table.value("answers").is_none() {
        table.missing("answers", "name the file of answers: answers = \"answers.jsonl\"");
    }
    let answers = table.parsed::<String>("answers").map(|found| AnswersFile { file: found.value, span: found.span });
    let kind = kind?;
    let endpoint = endpoint.map(|found| found.value).unwrap_or_else(|| match kind {
        Protocol::Bedrock => format!("https://bedrock-runtime.{region}.amazonaws.com"),
        Protocol::SageMaker => format!("https://runtime.sagemaker.{region}.amazonaws.com"),
        _ => String::new(),
    });
    Some(ProviderConfig { kind, endpoint, secret, key_env, credentials, tokens_field, region, answers })
}

/// Reports keys that its kind would not look at.
fn has_its_own_keys(table: &Table<'_>, kind: Protocol, sink: &Sink) {
    let (keys, kind) = (kind.keys(), kind.name());
    let list = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    let help = match keys {
        [] => "leave it out: it has nothing but its kind".to_owned(),
        _ => format!("leave it out: beside its kind it has {list}"),
    };
    for key in PROVIDER.iter().map(|key| key.name).filter(|key| *key != "kind" && !keys.contains(key)) {
        if let Some(span) = table.value_span(key) {
            sink.report(span, format!("{} has `{key}`, which means nothing to the kind `{kind}`", table.what()), &help);
        }
    }
}

/// Its secret, or the variable with its key.
fn read_keys(table: &Table<'_>, sink: &Sink) -> (Option<SecretName>, Option<String>) {
    let secret = table.parsed::<SecretName>("secret").map(|found| found.value);
    let key_env = table.parsed_by("key_env", |text| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !text.is_empty() && text.bytes().all(letter) {
            Ok(text.to_owned())
        } else {
            Err(format!("`{text}` is no variable"))
        }
    });
    let key_env = key_env.map(|found| found.value);
    if secret.is_some() && key_env.is_some() {
        let span = table.value_span("key_env").unwrap_or(table.span.clone());
        sink.report(span, format!("{} has both a `secret` and a `key_env`", table.what()), "leave one of them out");
    }
    (secret, key_env)
}

/// Where the host's own credentials are, which sign where nothing else does.
fn read_credentials(table: &Table<'_>, sink: &Sink) -> Source {
    let Some(found) = table.parsed::<Source>("credentials") else { return Source::Chain };
    let why = match (table.value("secret"), table.value("key_env")) {
        (Some(_), _) => Some("a `secret` signs"),
        (None, Some(_)) => Some("a `key_env` is sent"),
        (None, None) => None,
    };
    if let Some(why) = why {
        let message = format!("{} has `credentials`, and {why}", table.what());
        sink.report(found.span, message, "leave one of them out");
    }
    found.value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(provider: &str) -> Vec<String> {
        let (_, problems) = crate::config::read(&format!(
            "default_tenant = 'acme'\n[tenants.acme]\n[llm.providers.told]\n{provider}\n"
        ));
        problems.iter().map(|problem| format!("{}; {}", problem.message, problem.help)).collect()
    }

    #[test]
    fn each_kind_has_its_own_keys_and_no_others() {
        let values = [
            ("endpoint", "'https://a.test'"),
            ("region", "'eu-central-1'"),
            ("secret", "'s'"),
            ("key_env", "'KEY'"),
            ("credentials", "'chain'"),
            ("tokens_field", "'max_tokens'"),
            ("answers", "'a.jsonl'"),
        ];
        for kind in Protocol::ALL {
            let needed = match kind {
                Protocol::OpenAi => "endpoint",
                Protocol::Bedrock | Protocol::SageMaker => "region",
                Protocol::Echo => "",
                Protocol::Replay => "answers",
            };
            let lacking = problems(&format!("kind = '{}'", kind.name()));
            assert_eq!(lacking.len(), usize::from(!needed.is_empty()), "{kind:?}: {lacking:?}");
            for (key, value) in values {
                let lines = values.iter().filter(|(name, _)| *name == needed && *name != key);
                let needs: String = lines.map(|(name, value)| format!("{name} = {value}\n")).collect();
                let found = problems(&format!("kind = '{}'\n{needs}{key} = {value}", kind.name()));
                let wanted = format!("has `{key}`, which means nothing to the kind `{}`; leave it out", kind.name());
                match kind.keys().contains(&key) {
                    true => assert_eq!(found, [] as [String; 0], "{kind:?}, {key}"),
                    false => assert!(found.len() == 1 && found[0].contains(&wanted), "{kind:?}, {key}: {found:?}"),
                }
            }
        }
    }

    #[test]
    fn credentials_are_of_those_who_sign_by_nothing_else() {
        let bedrock = "kind = 'bedrock'\nregion = 'eu-central-1'\ncredentials = 'instance'";
        assert_eq!(problems(bedrock), [] as [String; 0]);
        for (provider, wanted) in [
            (format!("{bedrock}\nsecret = 'aws'"), "provider `told` has `credentials`, and a `secret` signs"),
            (format!("{bedrock}\nkey_env = 'KEY'"), "provider `told` has `credentials`, and a `key_env` is sent"),
        ] {
            let found = problems(&provider);
            assert!(found.len() == 1 && found[0].contains(wanted), "{provider}: {found:?}");
        }
    }
}
