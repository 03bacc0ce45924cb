//! Media types, as far as an event needs them: what is JSON, what is a CloudEvents format. Invariant: type and subtype are
//! compared without case, parameters never decide what a payload is. It is no full RFC 9110 parser.

/// A media type whose type and subtype were checked to be tokens.
pub(crate) struct MediaType<'a> {
    kind: &'a str,
    subtype: &'a str,
    parameters: &'a str,
}

impl<'a> MediaType<'a> {
    /// Parses `type/subtype` with optional parameters.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
        let (kind, subtype) = essence.trim().split_once('/')?;
        let token = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        };
        (token(kind) && token(subtype)).then_some(Self { kind, subtype, parameters })
    }

    /// Whether the type is this, and the subtype too.
    pub(crate) fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// Whether it is one of the CloudEvents formats, known or not.
    pub(crate) fn is_cloudevents(&self) -> bool {
        let subtype = self.subtype.to_ascii_lowercase();
        let format =
            subtype.strip_prefix("cloudevents").is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', '-']));
        self.kind.eq_ignore_ascii_case("application") && format
    }

    /// Whether a payload of this type is JSON: `application/json`, `text/json`, or any type with the suffix `+json`.
    pub(crate) fn is_json(&self) -> bool {
        self.is("application", "json")
            || self.is("text", "json")
            || self.subtype.to_ascii_lowercase().ends_with("+json")
    }

    /// Whether the text is in UTF-8: no `charset`, or one that UTF-8 includes.
    pub(crate) fn is_utf8(&self) -> bool {
        let charset = self.parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
        });
        charset.is_none_or(|name| name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii"))
    }
}

/// Whether a payload of this content type is JSON. What is no media type is not.
#[must_use]
pub fn is_json(content_type: &str) -> bool {
    MediaType::parse(content_type).is_some_and(|media_type| media_type.is_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_type_and_by_suffix() {
        let cases = [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/json", true),
            ("application/vnd.github.v3+json", true),
            ("model/gltf+JSON", true),
            ("application/jsonl", false),
            ("application/x-www-form-urlencoded", false),
            ("text/plain; x=application/json", false),
            ("json", false),
            ("", false),
        ];
        for (content_type, wanted) in cases {
            assert_eq!(is_json(content_type), wanted, "{content_type:?}");
        }
    }

    #[test]
    fn a_media_type_is_two_tokens() {
        for text in ["a/b", "application/vnd.x+json;v=1", " text/plain ; charset=\"utf-8\""] {
            assert!(MediaType::parse(text).is_some(), "{text:?}");
        }
        for text in ["", "a", "/", "a/", "/b", "a/b c", "a/b/c", "a b/c", "\u{e9}/b"] {
            assert!(MediaType::parse(text).is_none(), "{text:?}");
        }
    }
}
