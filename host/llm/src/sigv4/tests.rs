//! Goal: a request is signed as AWS documents it.
//! Method: the cases of the suite that AWS publishes for those who sign by fields (tests/data/NOTICE.md says where they are from, and which are left out).

use std::time::Duration;

use serde::Deserialize;

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// 2015-08-30T12:36:00Z.
const TIME_S: u64 = 1_440_938_160;

/// A case of the suite.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    token: Option<String>,
    /// The names of the fields that are signed.
    signed: String,
    signature: String,
}

/// Makes another request of one.
type Change = fn(&mut Case);

impl Case {
    fn all() -> Vec<Self> {
        let cases = include_str!("../../../../tests/data/sigv4-aws.jsonl");
        cases.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The fields that sign it.
    fn sign(&self) -> Result<Vec<(&'static str, String)>, Unsigned> {
        let credentials = Credentials::new("AKIDEXAMPLE".to_owned(), SECRET.to_owned(), self.token.clone());
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let url = format!("https://example.amazonaws.com{}", self.target);
        let (region, service, method, body) = ("us-east-1", "service", self.method.as_str(), self.body.as_bytes());
        let signed = Signed { region, service, method, url: &url, headers: &headers, body };
        credentials.sign(&signed, SystemTime::UNIX_EPOCH + Duration::from_secs(TIME_S))
    }

    fn check(&self) {
        let fields = self.sign().unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let wanted = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={}, Signature={}",
            self.signed, self.signature
        );
        assert_eq!(value(&fields, "authorization"), Some(wanted.as_str()), "{}", self.name);
        assert_eq!(value(&fields, "x-amz-date"), Some("20150830T123600Z"), "{}", self.name);
        assert_eq!(value(&fields, "x-amz-security-token"), self.token.as_deref(), "{}", self.name);
    }
}

fn value<'a>(fields: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
}

#[test]
fn the_published_cases_of_sigv4_have_their_signatures() {
    let cases = Case::all();
    assert_eq!(cases.len(), 29);
    for mut case in cases {
        let folded = case.headers.iter().any(|(_, value)| value.contains('\n'));
        if folded {
            // A field of several lines is none that is sent any more; put on one line, as RFC 9112 has it, it is that of the case.
            assert!(matches!(case.sign(), Err(Unsigned::Request(_))), "{}", case.name);
            case.headers.iter_mut().for_each(|(_, value)| *value = value.replace('\n', " "));
        }
        case.check();
    }
}

#[test]
fn whatever_is_changed_of_a_request_changes_its_sigv4_signature() {
    for case in Case::all().into_iter().filter(|case| !case.body.is_empty() || case.token.is_some()) {
        case.check();
        let changes: [Change; 5] = [
            |case| case.method = "PUT".to_owned(),
            |case| case.target = format!("/a{}", case.target),
            |case| case.target.push_str("?a=b"),
            |case| case.headers.push(("x-more".to_owned(), "1".to_owned())),
            |case| case.body.push('x'),
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let mut other = case.clone();
            change(&mut other);
            let fields = other.sign().unwrap();
            let signed = value(&fields, "authorization").unwrap();
            assert!(!signed.ends_with(&case.signature), "{}: {at}", case.name);
        }
    }
}

#[test]
fn a_path_that_is_encoded_is_encoded_once_more_for_sigv4() {
    let credentials = Credentials::new("AKIDEXAMPLE".to_owned(), SECRET.to_owned(), None);
    let host = "lambda.us-east-2.amazonaws.com";
    let function = "arn%3Aaws%3Alambda%3Aus-west-2%3A892717189312%3Afunction%3Amy-rusty-fun";
    let url = format!("https://{host}/2015-03-31/functions/{function}/invocations");
    let (region, service, method) = ("us-east-2", "lambda", "POST");
    let signed = Signed { region, service, method, url: &url, headers: &[("host", host)], body: b"" };
    // 2021-05-11T15:40:45Z
    let fields = credentials.sign(&signed, SystemTime::UNIX_EPOCH + Duration::from_secs(1_620_747_645)).unwrap();
    let signature = "4b93abbcc68be32bd64c18e2c71150660ab4c29bbd6c32a383a7517a88fc1804";
    assert!(value(&fields, "authorization").unwrap().ends_with(signature), "{fields:?}");
}

#[test]
fn credentials_for_sigv4_are_read_and_not_shown() {
    let read = Credentials::parse("AKID:secret/+:token:more\n").unwrap();
    assert_eq!(read, Credentials::new("AKID".into(), "secret/+".into(), Some("token:more".into())));
    assert!(!format!("{read:?}").contains("secret"), "{read:?}");
    for wrong in ["", "AKID", ":secret", "AKID:"] {
        assert_eq!(Credentials::parse(wrong), Err(Unsigned::Text), "{wrong}");
    }
}
