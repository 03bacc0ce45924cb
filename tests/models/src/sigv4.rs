//! Signature Version 4 as AWS documents it, to check what comes: made here anew from the request as it arrived, so that it shares nothing with whoever
//! signed.

use ring::{digest, hmac};

use crate::http::Heard;

/// The access key that it knows.
pub const ACCESS_KEY: &str = "AKIASTANDIN0EXAMPLE0";

/// Its secret key.
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxStandInKeyForTests0";

/// The session that it knows, where a request names one.
pub const SESSION_TOKEN: &str = "IQoJb3JpZ2luX2VjStandInSession==";

/// Credentials for a while, by their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lent {
    /// The access key.
    pub access_key: String,
    /// Its secret key.
    pub secret_key: String,
    /// The session that goes with it.
    pub token: String,
}

/// How access keys begin that are for a while.
const LENT: &str = "ASIASTANDIN0";

/// Those of that number.
#[must_use]
pub fn lent(number: u32) -> Lent {
    Lent {
        access_key: format!("{LENT}{number:08}"),
        secret_key: format!("lentSecretKeyForTestsOnly/+{number:013}"),
        token: format!("IQoJlentStandInSession{number:08}=="),
    }
}

/// The number of the credentials that a request is signed by, where they are for a while.
#[must_use]
pub fn lender_of(heard: &Heard) -> Option<u32> {
    let (_, named) = heard.header("authorization")?.split_once(LENT)?;
    named.split('/').next()?.parse().ok()
}

/// The secret key of an access key, and the session that a request has to name.
fn known(access_key: &str) -> Option<(String, Option<String>)> {
    if access_key == ACCESS_KEY {
        return Some((SECRET_KEY.to_owned(), None));
    }
    let lent = lent(access_key.strip_prefix(LENT)?.parse().ok()?);
    (lent.access_key == access_key).then_some((lent.secret_key, Some(lent.token)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// A path as a signature has it: what was sent, encoded once more.
fn encoded(path: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    path.bytes().map(byte).collect()
}

/// Why a request is not signed as it should be, as AWS names it.
pub(crate) fn wrong(heard: &Heard, service: &str) -> Option<(&'static str, String)> {
    wrong_by(heard, service, known)
}

/// The values of a field as a signature has them: each without more space than a word needs, all on one line.
fn values(heard: &Heard, name: &str) -> Option<String> {
    let of = heard.headers.iter().filter(|(other, _)| other == name);
    let of: Vec<_> = of.map(|(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    (!of.is_empty()).then(|| of.join(","))
}

/// The same, for whoever knows these access keys.
fn wrong_by(
    heard: &Heard,
    service: &str,
    known: impl Fn(&str) -> Option<(String, Option<String>)>,
) -> Option<(&'static str, String)> {
    let refuse = |kind, text: String| Some((kind, text));
    let incomplete = |what: &str| refuse("IncompleteSignatureException", format!("{what} is missing"));
    let Some(authorization) = heard.header("authorization") else {
        return refuse("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned());
    };
    let Some(fields) = authorization.strip_prefix("AWS4-HMAC-SHA256 ") else { return incomplete("the algorithm") };
    let field = |name: &str| {
        fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    };
    let (Some(credential), Some(signed), Some(signature)) =
        (field("Credential"), field("SignedHeaders"), field("Signature"))
    else {
        return incomplete("a part of the authorization");
    };
    let scope: Vec<&str> = credential.split('/').collect();
    let [access_key, date, region, of, end] = scope.as_slice() else { return incomplete("a part of the scope") };
    let unknown =
        || refuse("UnrecognizedClientException", "The security token included in the request is invalid.".to_owned());
    let Some((secret_key, session)) = known(access_key) else { return unknown() };
    if (*of, *end) != (service, "aws4_request") {
        return refuse(
            "InvalidSignatureException",
            format!("Credential should be scoped to correct service: '{service}'."),
        );
    }
    let token = heard.header("x-amz-security-token");
    let is_session = match &session {
        Some(session) => {
            token == Some(session.as_str()) && signed.split(';').any(|name| name == "x-amz-security-token")
        }
        None => token.is_none_or(|token| token == SESSION_TOKEN),
    };
    if !is_session {
        return unknown();
    }
    let Some(time) = heard.header("x-amz-date").filter(|time| time.starts_with(date)) else {
        return incomplete("the date");
    };
    let names: Vec<&str> = signed.split(';').collect();
    if !names.contains(&"host") || !names.is_sorted() {
        return incomplete("the signed host");
    }
    let mut canonical = String::new();
    for name in &names {
        let Some(value) = values(heard, name) else { return incomplete(name) };
        canonical += &format!("{name}:{value}\n");
    }
    let (path, query) = heard.target.split_once('?').unwrap_or((&heard.target, ""));
    let mut query: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    // By their names, then by their values: a name may go on with what stands before `=`.
    query.sort_unstable_by_key(|pair| pair.split_once('='));
    let query = query.join("&");
    let request =
        [heard.method.clone(), encoded(path), query, canonical, signed.clone(), sha256(&heard.body)].join("\n");
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(request.as_bytes()));
    let key = [*date, *region, service, "aws4_request"];
    let key = key.iter().fold(format!("AWS4{secret_key}").into_bytes(), |key, text| mac(&key, text));
    if hex(&mac(&key, &to_sign)) == signature {
        return None;
    }
    let text = "The request signature we calculated does not match the signature you provided.";
    refuse("InvalidSignatureException", format!("{text} The canonical request should have been {request:?}"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// A case of the suite that AWS publishes (tests/data/NOTICE.md), signed as it says.
    fn heard(case: &Value) -> Heard {
        let text = |name: &str| case[name].as_str().unwrap_or_default().to_owned();
        let pair = |pair: &Value| (pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().trim().to_owned());
        let mut headers: Vec<_> = case["headers"].as_array().unwrap().iter().map(pair).collect();
        headers.push(("x-amz-date".to_owned(), "20150830T123600Z".to_owned()));
        headers.extend(case["token"].as_str().map(|token| ("x-amz-security-token".to_owned(), token.to_owned())));
        let scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";
        let (signed, signature) = (text("signed"), text("signature"));
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed}, Signature={signature}");
        headers.push(("authorization".to_owned(), authorization));
        Heard { method: text("method"), target: text("target"), headers, body: text("body").into_bytes() }
    }

    #[test]
    fn the_published_cases_of_sigv4_are_signed_and_none_is_when_a_byte_of_it_is_another() {
        let cases = include_str!("../../data/sigv4-aws.jsonl").lines().map(|line| serde_json::from_str(line).unwrap());
        // It takes paths and queries as clients send them: encoded, with nothing to normalize; and fields that stand on one line.
        let is_sent = |case: &Value| {
            let target = case["target"].as_str().unwrap();
            let path = target.split('?').next().unwrap();
            let is_normal = path == "/" || path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
            target.is_ascii() && is_normal && !case["headers"].to_string().contains("\\n")
        };
        let cases: Vec<Value> = cases.filter(is_sent).collect();
        assert_eq!(cases.len(), 20);
        for case in &cases {
            let known = |access_key: &str| {
                let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned();
                (access_key == "AKIDEXAMPLE").then(|| (secret, case["token"].as_str().map(str::to_owned)))
            };
            let fine = heard(case);
            assert_eq!(wrong_by(&fine, "service", known), None, "{case}");
            let mut others = vec![
                Heard { method: "PUT".to_owned(), ..fine.clone() },
                Heard { target: format!("{}a", fine.target), ..fine.clone() },
                Heard { body: [&fine.body[..], b"x"].concat(), ..fine.clone() },
            ];
            for at in 0..fine.headers.len() {
                let mut other = fine.clone();
                other.headers[at].1.push('0');
                others.push(other);
            }
            // What is not signed may be another.
            let signed = format!(";{};authorization;", case["signed"].as_str().unwrap());
            assert!(fine.headers.iter().all(|(name, _)| signed.contains(&format!(";{name};"))), "{case}");
            for other in others {
                assert!(wrong_by(&other, "service", known).is_some(), "{other:?}");
            }
        }
    }
}
