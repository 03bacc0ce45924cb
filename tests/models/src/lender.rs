//! Whoever gives credentials for AWS, as AWS documents it: to a container, to an instance by its metadata service (IMDSv2 only), and for a token of
//! somebody else's (`AssumeRoleWithWebIdentity` of STS).
//!
//! Invariant: a request that they would refuse is refused, and all credentials that it gives are others, which the stand-ins of Bedrock and SageMaker
//! know by their number.

use std::{
    net::TcpListener,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    http::{self, Answer, Heard, Streamed},
    sigv4::{Lent, lent},
};

/// Where a container asks.
pub const CONTAINER_PATH: &str = "/lend";

/// What a container says of itself.
pub const CONTAINER_TOKEN: &str = "container-token-of-the-stand-in";

/// The token of somebody else's.
pub const WEB_IDENTITY: &str = "header-of-the-stand-in.claims.signature";

/// Whose role it is given for.
pub const ROLE: &str = "arn:aws:iam::123456789012:role/wharf";

/// What the metadata service is asked by.
pub const METADATA_TOKEN: &str = "AQAEAMetadataTokenOfTheStandIn==";

/// An end that no test sees.
pub const LATE: &str = "2099-01-01T00:00:00Z";

/// How often a container that gets no answer is looked after.
const LOOK: Duration = Duration::from_millis(5);

/// The role's credentials at the metadata service.
const METADATA: &str = "/latest/meta-data/iam/security-credentials/";

/// What it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lends {
    /// It gives credentials, which end then.
    Until(String),
    /// It answers a container and an instance with half of what it should.
    Half,
    /// It does not answer a container as long as this holds.
    Silence,
}

/// One of them, which runs until its process ends.
pub struct Lender {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// What it hears.
    pub heard: Receiver<Heard>,
    lends: Arc<Mutex<Lends>>,
}

impl Lender {
    /// Starts one that gives credentials for long.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    #[allow(clippy::unwrap_used, reason = "it is for tests")]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (hears, heard) = channel();
        let lends = Arc::new(Mutex::new(Lends::Until(LATE.to_owned())));
        let given = AtomicU32::new(0);
        let answers = {
            let lends = Arc::clone(&lends);
            move |heard: &Heard| answer(heard, &lends, &given)
        };
        std::thread::spawn(move || http::serve(&listener, &hears, &Arc::new(answers)));
        Self { port, heard, lends }
    }

    /// What it does from now on.
    pub fn set(&self, lends: Lends) {
        *self.lends.lock().unwrap_or_else(PoisonError::into_inner) = lends;
    }
}

fn answer(heard: &Heard, lends: &Mutex<Lends>, given: &AtomicU32) -> Answer {
    let now = || lends.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let next = || lent(given.fetch_add(1, Ordering::SeqCst) + 1);
    let end = || match now() {
        Lends::Until(end) => end,
        Lends::Half | Lends::Silence => LATE.to_owned(),
    };
    match (heard.method.as_str(), heard.target.as_str()) {
        ("GET", CONTAINER_PATH) => {
            if heard.header("authorization") != Some(CONTAINER_TOKEN) {
                return Answer::new(401, json!({"code": "Unauthorized", "message": "whose container is it?"}));
            }
            while now() == Lends::Silence {
                std::thread::park_timeout(LOOK);
            }
            Answer::new(200, given_to_machine(&now(), next(), &end()))
        }
        ("PUT", "/latest/api/token") => match heard.header("x-aws-ec2-metadata-token-ttl-seconds") {
            Some(lasts) => {
                let mut answer = text("text/plain", METADATA_TOKEN);
                answer.headers.push(("x-aws-ec2-metadata-token-ttl-seconds", lasts.to_owned()));
                answer
            }
            None => Answer::new(400, json!({})),
        },
        ("GET", path) if path.starts_with(METADATA) => {
            if heard.header("x-aws-ec2-metadata-token") != Some(METADATA_TOKEN) {
                return Answer::new(401, json!({}));
            }
            match path.trim_start_matches(METADATA) {
                "" => text("text/plain", "wharf-role"),
                "wharf-role" => Answer::new(200, given_to_machine(&now(), next(), &end())),
                _ => Answer::new(404, json!({})),
            }
        }
        ("POST", "/") => assumed(heard, next, &end()),
        _ => Answer::new(404, json!({})),
    }
}

fn given_to_machine(lends: &Lends, Lent { access_key, secret_key, token }: Lent, end: &str) -> Value {
    if *lends == Lends::Half {
        return json!({"AccessKeyId": access_key, "SecretAccessKey": secret_key, "Token": token});
    }
    json!({"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z", "AccessKeyId": access_key,
        "SecretAccessKey": secret_key, "Token": token, "Expiration": end})
}

fn text(kind: &'static str, text: &str) -> Answer {
    let streamed = Streamed { kind, pieces: vec![text.as_bytes().to_vec()], breaks: false };
    Answer { streamed: Some(streamed), ..Answer::new(200, Value::Null) }
}

/// What STS says.
fn assumed(heard: &Heard, next: impl Fn() -> Lent, end: &str) -> Answer {
    let form = String::from_utf8_lossy(&heard.body).into_owned();
    let field = |name: &str| form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or("");
    let role = field("RoleArn").replace("%3A", ":").replace("%2F", "/");
    let is_asked = field("Action") == "AssumeRoleWithWebIdentity" && field("Version") == "2011-06-15";
    if !is_asked || role != ROLE || field("RoleSessionName").is_empty() || field("WebIdentityToken") != WEB_IDENTITY {
        let why = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code>\
            <Message>No OpenIDConnect provider found in your account</Message></Error>\
            <RequestId>1</RequestId></ErrorResponse>";
        return Answer { status: 400, ..text("text/xml", why) };
    }
    let Lent { access_key, secret_key, token } = next();
    text(
        "text/xml",
        &format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{access_key}</AccessKeyId>\
             <SecretAccessKey>{secret_key}</SecretAccessKey><SessionToken>{token}</SessionToken>\
             <Expiration>{end}</Expiration></Credentials><AssumedRoleUser>\
             <Arn>arn:aws:sts::123456789012:assumed-role/wharf/one</Arn><AssumedRoleId>AROA0:one</AssumedRoleId>\
             </AssumedRoleUser></AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>1</RequestId>\
             </ResponseMetadata></AssumeRoleWithWebIdentityResponse>"
        ),
    )
}
