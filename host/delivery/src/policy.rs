//! How often, how long and after which outcomes a target is tried: the policy as data.
//!
//! Invariant: a policy is read as it was written, and one from before there was more than four numbers means what it meant. What
//! follows of it for an attempt is decided in `retry.rs`; what a user may write is checked where it is read.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use wharf_event::Code;

use crate::limits::OUTCOME_TEXT_BYTES_MAX;

/// How often and how long a target is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// The first pause, in milliseconds, before the jitter.
    pub first_ms: u64,
    /// Upper bound of every pause, in milliseconds.
    pub max_ms: u64,
    /// Attempts in all.
    pub attempts: u32,
    /// Time since the event was accepted after which nothing is tried again, in milliseconds.
    pub age_ms: u64,
    /// How pauses grow. (This and what follows is not written where it is the default, as before it could be said.)
    #[serde(default, skip_serializing_if = "Backoff::is_default")]
    pub backoff: Backoff,
    /// How pauses are spread.
    #[serde(default, skip_serializing_if = "Jitter::is_default")]
    pub jitter: Jitter,
    /// What holds for some outcomes: the first that matches counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<OutcomeRule>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first_ms: 1_000,
            max_ms: 300_000,
            attempts: 185,
            age_ms: 24 * 3_600_000,
            backoff: Backoff::default(),
            jitter: Jitter::default(),
            on: Vec::new(),
        }
    }
}

/// What holds for the outcomes that it matches: all that it says of them has to be so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutcomeRule {
    /// The code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Glob>,
    /// The HTTP status. An outcome without one does not match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Statuses>,
    /// The reason, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Glob>,
    /// What follows.
    #[serde(skip_serializing_if = "Then::is_default")]
    pub then: Then,
    /// How pauses grow, where it is not as the policy says. So it is with what follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// How pauses are spread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Jitter>,
    /// The first pause, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_ms: Option<u64>,
    /// Upper bound of the pauses, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<u64>,
    /// So many attempts in all, if this is the outcome of the last; never more than the policy's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
}

impl OutcomeRule {
    /// Whether it is for such an outcome.
    #[must_use]
    pub fn matches(&self, code: Code, status: Option<u16>, reason: &str) -> bool {
        self.code.as_ref().is_none_or(|glob| glob.matches(code.as_str()))
            && self.status.is_none_or(|statuses| status.is_some_and(|status| statuses.has(status)))
            && self.reason.as_ref().is_none_or(|glob| glob.matches(reason))
    }
}

/// Outcomes after which there is no further attempt, whatever a policy says.
pub const FINAL_CODES: [Code; 3] = [Code::HandlerReject, Code::TargetInput, Code::TargetGone];

/// A word that is none of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is one of {0}")]
pub struct NotOneOf(&'static str);

/// An enum of which each variant is a word, the first of them the default.
macro_rules! words {
    ($(#[$of:meta])* $name:ident $list:literal { $(#[$first:meta])+ $default:ident $word:literal, $($(#[$doc:meta])+ $variant:ident $text:literal,)+ }) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $(#[$first])+
            #[default]
            $default,
            $($(#[$doc])+ $variant,)+
        }

        impl $name {
            /// Every word.
            pub const WORDS: &'static [&'static str] = &[$word, $($text),+];

            /// Its word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { Self::$default => $word, $(Self::$variant => $text,)+ }
            }

            #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
            fn is_default(&self) -> bool {
                *self == Self::default()
            }
        }

        impl FromStr for $name {
            type Err = NotOneOf;

            fn from_str(text: &str) -> Result<Self, NotOneOf> {
                match text {
                    $word => Ok(Self::$default),
                    $($text => Ok(Self::$variant),)+
                    _ => Err(NotOneOf($list)),
                }
            }
        }
    };
}

words! {
    /// How pauses grow.
    Backoff "`exponential` and `fixed`" {
        /// They double with each attempt.
        Exponential "exponential",
        /// All are the first one.
        Fixed "fixed",
    }
}

words! {
    /// How pauses are spread, so that what failed together does not come again together.
    Jitter "`full`, `equal` and `none`" {
        /// Anything from nothing to the whole pause.
        Full "full",
        /// Anything from half of the pause to the whole.
        Equal "equal",
        /// The whole pause.
        None "none",
    }
}

words! {
    /// What follows from an outcome.
    Then "`retry` and `dead-letter`" {
        /// Another attempt, as long as the caps allow one.
        Retry "retry",
        /// The dead-letter queue, at once.
        DeadLetter "dead-letter",
    }
}

/// A text in which `*` stands for anything, and for nothing too. The whole has to match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Glob(String);

/// A text that is no glob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has 1 to {OUTCOME_TEXT_BYTES_MAX} bytes")]
pub struct NotGlob;

impl Glob {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches a text, in time that grows with both and not with their product.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some((_, behind)) = rest.split_once(part) else { return false };
            rest = behind;
        }
        rest.ends_with(last)
    }
}

impl FromStr for Glob {
    type Err = NotGlob;

    fn from_str(text: &str) -> Result<Self, NotGlob> {
        let fits = (1..=OUTCOME_TEXT_BYTES_MAX).contains(&text.len());
        if fits { Ok(Self(text.to_owned())) } else { Err(NotGlob) }
    }
}

/// One HTTP status, such as `429`, or all of a class, such as `5xx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Statuses {
    /// This one.
    One(u16),
    /// All that begin with this digit.
    Class(u16),
}

/// A text that is no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is an HTTP status such as `429`, or a class such as `5xx`")]
pub struct NotStatuses;

impl Statuses {
    /// Whether a status is among them.
    #[must_use]
    pub fn has(self, status: u16) -> bool {
        match self {
            Self::One(one) => status == one,
            Self::Class(class) => status / 100 == class,
        }
    }
}

impl FromStr for Statuses {
    type Err = NotStatuses;

    fn from_str(text: &str) -> Result<Self, NotStatuses> {
        let digits = text.strip_suffix("xx").unwrap_or(text);
        let number = digits.parse::<u16>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
        match (number, digits.len(), text.len()) {
            (Some(class @ 1..=5), 1, 3) => Ok(Self::Class(class)),
            (Some(one @ 100..=599), 3, 3) => Ok(Self::One(one)),
            _ => Err(NotStatuses),
        }
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(one) => write!(f, "{one}"),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}

impl TryFrom<String> for Statuses {
    type Error = NotStatuses;

    fn try_from(text: String) -> Result<Self, NotStatuses> {
        text.parse()
    }
}

impl From<Statuses> for String {
    fn from(statuses: Statuses) -> Self {
        statuses.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_from_before_there_was_more_than_numbers_reads_and_is_written_as_it_was() {
        let before = r#"{"first_ms":1000,"max_ms":300000,"attempts":185,"age_ms":86400000}"#;
        let policy: RetryPolicy = serde_json::from_str(before).unwrap();
        assert_eq!(policy, RetryPolicy::default());
        assert_eq!(serde_json::to_string(&policy).unwrap(), before);
    }

    #[test]
    fn a_policy_is_written_as_it_is_read() {
        let whole = concat!(
            r#"{"first_ms":1,"max_ms":2,"attempts":3,"age_ms":4,"backoff":"fixed","jitter":"none","on":["#,
            r#"{"code":"limit-*","then":"dead-letter"},"#,
            r#"{"status":"5xx","reason":"*busy*","backoff":"exponential","jitter":"equal","first_ms":5,"max_ms":6,"attempts":7}]}"#
        );
        let policy: RetryPolicy = serde_json::from_str(whole).unwrap();
        assert_eq!(serde_json::to_string(&policy).unwrap(), whole);
        for unread in [r#"{"cod":"x"}"#, r#"{"status":"6xx"}"#, r#"{"then":"drop"}"#] {
            assert!(serde_json::from_str::<OutcomeRule>(unread).is_err(), "{unread}");
        }
    }

    #[test]
    fn a_glob_matches_the_whole_text_and_a_star_stands_for_anything() {
        let matches = |glob: &str, text: &str| glob.parse::<Glob>().unwrap().matches(text);
        for (glob, text) in [
            ("a", "a"),
            ("*", ""),
            ("*", "x"),
            ("a*", "a"),
            ("a*b", "ab"),
            ("a*b*c", "aXbYc"),
            ("*b*", "abc"),
            ("a**c", "abc"),
            ("*ab", "abab"),
        ] {
            assert!(matches(glob, text), "{glob} {text}");
        }
        for (glob, text) in
            [("a", "ab"), ("a", "ba"), ("a*a", "a"), ("a*b*c", "acb"), ("*b", "bc"), ("ab*ba", "aba"), ("*a*a*", "a")]
        {
            assert!(!matches(glob, text), "{glob} {text}");
        }
        assert_eq!((Glob::from_str(""), Glob::from_str(&"x".repeat(257))), (Err(NotGlob), Err(NotGlob)));
    }

    #[test]
    fn a_status_is_one_or_a_class() {
        for (text, has, has_not) in [("429", 429, 428), ("5xx", 503, 499), ("4xx", 499, 500)] {
            let statuses: Statuses = text.parse().unwrap();
            assert!(statuses.has(has) && !statuses.has(has_not), "{text}");
            assert_eq!(statuses.to_string(), text);
        }
        for text in ["", "xx", "0xx", "6xx", "42", "600", "+42", "4x", "5XX", "4290", "42xx"] {
            assert_eq!(text.parse::<Statuses>(), Err(NotStatuses), "{text}");
        }
    }

    #[test]
    fn an_outcome_has_to_be_all_that_is_said_of_it() {
        let rule: OutcomeRule =
            serde_json::from_str(r#"{"code":"webhook-*","status":"5xx","reason":"*busy*"}"#).unwrap();
        // No code begins so yet; the text is what counts.
        assert!(!rule.matches(Code::HandlerTrap, Some(503), "busy"));
        let rule = OutcomeRule { code: Some("handler-*".parse().unwrap()), ..rule };
        assert!(rule.matches(Code::HandlerTrap, Some(503), "too busy now"));
        assert!(!rule.matches(Code::HandlerTrap, None, "busy") && !rule.matches(Code::HandlerTrap, Some(404), "busy"));
        assert!(
            !rule.matches(Code::HandlerTrap, Some(503), "idle") && !rule.matches(Code::LimitCpu, Some(503), "busy")
        );
    }

    #[test]
    fn the_words_of_a_choice_are_those_that_are_written() {
        for (word, text) in Backoff::WORDS
            .iter()
            .map(|word| (word, serde_json::to_string(&word.parse::<Backoff>().unwrap())))
            .chain(Jitter::WORDS.iter().map(|word| (word, serde_json::to_string(&word.parse::<Jitter>().unwrap()))))
            .chain(Then::WORDS.iter().map(|word| (word, serde_json::to_string(&word.parse::<Then>().unwrap()))))
        {
            assert_eq!(text.unwrap(), format!("\"{word}\""));
        }
        assert_eq!("linear".parse::<Backoff>().unwrap_err().to_string(), "it is one of `exponential` and `fixed`");
    }
}
