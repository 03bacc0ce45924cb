//! Requests to AWS, signed: Signature Version 4, by the crate that AWS keeps for it.
//!
//! Invariant: what is signed is what is sent: method, URL, the fields that are given, and the body. A secret key is in no error and no `Debug`.

use std::{fmt, time::SystemTime};

use aws_credential_types::Credentials as Identity;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};

/// Who signs. What it has is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(Identity);

/// Why nothing is signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// The text has no credentials.
    #[error(
        "credentials are written ACCESS_KEY_ID:SECRET_ACCESS_KEY, with :SESSION_TOKEN behind them where they are for a while"
    )]
    Text,
    /// The request cannot be signed.
    #[error("the request cannot be signed: {0}")]
    Request(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.0.access_key_id()).finish_non_exhaustive()
    }
}

impl Credentials {
    /// By their parts.
    #[must_use]
    pub fn new(access_key: String, secret_key: String, token: Option<String>) -> Self {
        Self(Identity::new(access_key, secret_key, token.filter(|token| !token.is_empty()), None, "wharf"))
    }

    /// From one text, as a secret has them.
    ///
    /// # Errors
    /// When they are not there.
    pub fn parse(text: &str) -> Result<Self, Unsigned> {
        let mut parts = text.trim().splitn(3, ':').map(str::to_owned);
        match (parts.next(), parts.next()) {
            (Some(access_key), Some(secret_key)) if !access_key.is_empty() && !secret_key.is_empty() => {
                Ok(Self::new(access_key, secret_key, parts.next()))
            }
            _ => Err(Unsigned::Text),
        }
    }

    /// What nobody else should see.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        [self.0.secret_access_key()].into_iter().chain(self.0.session_token())
    }

    /// The fields that sign a request to a service of a region at that time: names in lower case, and values.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn sign(&self, signed: &Signed<'_>, time: SystemTime) -> Result<Vec<(&'static str, String)>, Unsigned> {
        let failed = |error: &dyn fmt::Display| Unsigned::Request(error.to_string());
        let identity = self.0.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(signed.region)
            .name(signed.service)
            .time(time)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?;
        let params = params.into();
        let request = SignableRequest::new(
            signed.method,
            signed.url,
            signed.headers.iter().copied(),
            SignableBody::Bytes(signed.body),
        );
        let request = request.map_err(|error| failed(&error))?;
        let (instructions, _) = sign(request, &params).map_err(|error| failed(&error))?.into_parts();
        let (headers, _) = instructions.into_parts();
        Ok(headers.into_iter().map(|header| (header.name(), header.value().to_owned())).collect())
    }
}

/// A request that is to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The region.
    pub region: &'a str,
    /// The service, as signatures name it.
    pub service: &'a str,
    /// Its method.
    pub method: &'a str,
    /// Its URL, encoded as it is sent.
    pub url: &'a str,
    /// Its fields that are signed, names in lower case; `host` among them.
    pub headers: &'a [(&'a str, &'a str)],
    /// Its body.
    pub body: &'a [u8],
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// 2015-08-30T12:36:00Z.
    const TIME_S: u64 = 1_440_938_160;

    /// A case of the suite that AWS publishes: its name, method, path, fields, and signature. That with a session has a token.
    type Case = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

    const CASES: [Case; 7] = [
        ("get-vanilla", "GET", "/", &[], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            "get-vanilla-with-session-token",
            "GET",
            "/",
            &[],
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
        ),
        (
            "get-vanilla-query-unreserved",
            "GET",
            "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            &[],
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ),
        ("post-vanilla", "POST", "/", &[], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "post-vanilla-query",
            "POST",
            "/?Param1=value1",
            &[],
            "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        ),
        (
            "post-header-key-sort",
            "POST",
            "/",
            &[("my-header1", "value1")],
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ),
        (
            "get-header-value-trim",
            "GET",
            "/",
            &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
    ];

    fn value<'a>(fields: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
        fields.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_published_cases_of_sigv4_have_their_signatures() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(TIME_S);
        for (name, method, path, fields, signature) in CASES {
            let token = name.ends_with("session-token").then(|| TOKEN.to_owned());
            let with_session = token.is_some();
            let credentials = Credentials::new("AKIDEXAMPLE".to_owned(), SECRET.to_owned(), token);
            let headers = [&[("host", "example.amazonaws.com")][..], fields].concat();
            let url = format!("https://example.amazonaws.com{path}");
            let (region, service) = ("us-east-1", "service");
            let signed = Signed { region, service, method, url: &url, headers: &headers, body: b"" };
            let fields = credentials.sign(&signed, time).unwrap();
            let authorization = value(&fields, "authorization").unwrap();
            assert!(authorization.ends_with(&format!("Signature={signature}")), "{name}: {authorization}");
            assert_eq!(value(&fields, "x-amz-date"), Some("20150830T123600Z"));
            assert_eq!(value(&fields, "x-amz-security-token"), with_session.then_some(TOKEN));
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
}
