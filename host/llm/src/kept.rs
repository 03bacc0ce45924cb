//! What is kept of an answer, so that whoever asks the same again is given the same.
//!
//! Invariant: what is read back is what was kept, to the bit. It is JSON on the disk (docs/design/llm.md); what a later host wrote and this one does not
//! understand is no answer. An error is kept only where the provider was paid for it and would say it again.

use serde::{Deserialize, Serialize};

use crate::{failed::Failed, reply::Told};

/// An answer with the model that gave it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    model: String,
    came: Came,
    /// Whether the route had it, of somebody who asked what means the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    cached: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Came {
    Told(Told),
    ContentFiltered(String),
    GuardrailBlocked(String),
}

impl Kept {
    /// What is to be kept; nothing where another attempt may get something else without paying twice.
    #[must_use]
    pub fn of(model: &str, came: Result<&Told, &Failed>, cached: bool) -> Option<Self> {
        let came = match came {
            Ok(told) => Came::Told(told.clone()),
            Err(Failed::ContentFiltered(why)) => Came::ContentFiltered(why.clone()),
            Err(Failed::GuardrailBlocked(why)) => Came::GuardrailBlocked(why.clone()),
            Err(_) => return None,
        };
        Some(Self { model: model.to_owned(), came, cached })
    }

    /// As bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Texts, whole numbers and base64; there is nothing in it that JSON has no word for.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads it back; nothing where it is not understood.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether the route had it: then the guest is told so again.
    #[must_use]
    pub const fn is_cached(&self) -> bool {
        self.cached
    }

    /// The model, and what came of asking it.
    pub fn into_parts(self) -> (String, Result<Told, Failed>) {
        let came = match self.came {
            Came::Told(told) => Ok(told),
            Came::ContentFiltered(why) => Err(Failed::ContentFiltered(why)),
            Came::GuardrailBlocked(why) => Err(Failed::GuardrailBlocked(why)),
        };
        (self.model, came)
    }
}

/// Bytes as base64.
pub(crate) mod base64 {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Vectors as base64 of their numbers, little endian, so that each is the same to the bit.
pub(crate) mod vectors {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(vectors: &[Vec<f32>], serializer: S) -> Result<S::Ok, S::Error> {
        let text = |vector: &Vec<f32>| {
            STANDARD.encode(vector.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>())
        };
        serializer.collect_seq(vectors.iter().map(text))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<f32>>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let vector = |text: String| {
            let bytes = STANDARD.decode(text).map_err(de::Error::custom)?;
            let (numbers, rest) = bytes.as_chunks::<4>();
            if !rest.is_empty() {
                return Err(de::Error::custom("a number has four bytes"));
            }
            Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
        };
        texts.into_iter().map(vector).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ask::{Ask, Conversation, Document, Embedding, Image, Part, Reasoning, ToolUse},
        reply::{Reply, StopReason, Usage, Vectors},
    };

    fn back(came: Result<Told, Failed>) -> (String, Result<Told, Failed>) {
        let kept = Kept::of("small", came.as_ref(), false).unwrap();
        Kept::from_bytes(&kept.to_bytes()).unwrap().into_parts()
    }

    #[test]
    fn what_is_kept_is_read_back_to_the_bit() {
        let (data, media_type) = (vec![0, 255, 7], "image/png".to_owned());
        let content = vec![
            Part::Text("hé\u{0}".into()),
            Part::Image(Image { media_type: media_type.clone(), data: data.clone() }),
            Part::Document(Document { name: "n".into(), media_type, data }),
            Part::ToolUse(ToolUse { id: "1".into(), name: "t".into(), input: "{}".into() }),
            Part::Reasoning(Reasoning { text: "so".into(), signature: Some("s".into()) }),
        ];
        let usage = Usage { input_tokens: u64::MAX, output_tokens: 1 };
        let numbers = vec![0.1, -0.0, f32::MIN_POSITIVE, f32::MAX, 1.0 / 3.0];
        for told in [
            Told::Reply(Reply { content, stop: StopReason::ToolUse, usage }),
            Told::Vectors(Vectors { vectors: vec![numbers, Vec::new()], usage }),
            Told::Count(3),
        ] {
            assert_eq!(back(Ok(told.clone())), ("small".to_owned(), Ok(told)));
        }
        let refused = Failed::ContentFiltered("no".into());
        assert_eq!(back(Err(refused.clone())), ("small".to_owned(), Err(refused)));
    }

    #[test]
    fn an_error_that_may_pass_is_not_kept_and_what_is_not_understood_is_nothing() {
        for failed in [Failed::Timeout, Failed::Overloaded("x".into()), Failed::Provider("x".into())] {
            assert_eq!(Kept::of("small", Err(&failed), false), None);
        }
        let more = br#"{"model":"small","came":{"told":{"Count":3}},"since":1}"#;
        for bytes in [&b""[..], b"{}", more] {
            assert_eq!(Kept::from_bytes(bytes), None);
        }
    }

    /// What is on disks is as it was.
    #[test]
    fn the_bytes_are_those_that_logs_on_disk_hold() {
        let usage = Usage { input_tokens: 2, output_tokens: 3 };
        let content = vec![Part::Text("hi".into())];
        let told = Told::Reply(Reply { content, stop: StopReason::EndTurn, usage });
        let wanted = r#"{"model":"small","came":{"told":{"Reply":{"content":[{"Text":"hi"}],"stop":"EndTurn","usage":{"input_tokens":2,"output_tokens":3}}}}}"#;
        assert_eq!(String::from_utf8(Kept::of("small", Ok(&told), false).unwrap().to_bytes()).unwrap(), wanted);
        let cached = Kept::of("small", Ok(&told), true).unwrap().to_bytes();
        assert_eq!(String::from_utf8(cached.clone()).unwrap(), wanted.replace("}}}}}", "}}}},\"cached\":true}"));
        assert!(
            Kept::from_bytes(&cached).unwrap().is_cached() && !Kept::from_bytes(wanted.as_bytes()).unwrap().is_cached()
        );
    }

    #[test]
    fn another_question_has_other_bytes() {
        let asked = |temperature, stop: &str| {
            let stop = vec![stop.to_owned()];
            Ask::Converse(Conversation { temperature, stop, ..Conversation::default() }).to_bytes()
        };
        let all = [
            asked(None, "a"),
            asked(Some(0.5), "a"),
            asked(None, "b"),
            Ask::Count(Conversation { stop: vec!["a".into()], ..Conversation::default() }).to_bytes(),
            Ask::Embed(Embedding { texts: vec!["a".into()], dimensions: None }).to_bytes(),
        ];
        assert_eq!(asked(None, "a"), all[0]);
        assert!(all.iter().all(|bytes| !bytes.is_empty()));
        let mut apart = all.to_vec();
        apart.sort();
        apart.dedup();
        assert_eq!(apart.len(), all.len());
    }
}
