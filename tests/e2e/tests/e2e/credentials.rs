//! Goal: the host signs with credentials from where its operator says, renews them before they end, holds nobody up while it looks for them, and
//! shows them nowhere.
//! Method: stand-ins for whoever gives credentials (a container's endpoint, the metadata service, STS), and that of Bedrock, which checks every
//! signature. What the host finds in its environment is that of a child process.

use std::time::Duration;

use serde_json::{Value, json};
use wharf_models::{
    CONTAINER_PATH, CONTAINER_TOKEN, LATE, Lender, Lends, METADATA_TOKEN, ROLE, Server, WEB_IDENTITY, lender_of, lent,
};

use crate::{
    egress::{calls, lines},
    host::{Host, Site},
    models::{asker, provided, with_key},
    secrets::found_in_data,
};

const SOURCES: [&str; 6] = ["environment", "profile", "web-identity", "container", "instance", "chain"];

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A site whose routes are asked with credentials of the source of that name, and some more.
fn site(port: u16) -> Site {
    let provider = |name: &str, kind: &str, region: &str, source: &str| {
        format!(
            "[llm.providers.{name}]\nkind = \"{kind}\"\nregion = \"{region}\"\nendpoint = \"http://127.0.0.1:{port}\"\n\
             credentials = \"{source}\"\n[llm.models.{name}]\nprovider = \"{name}\"\nmodel = \"amazon.nova-x-v1:0\"\n\
             input_price = \"1\"\noutput_price = \"1\"\n"
        )
    };
    let mut config = provided(port);
    for source in SOURCES {
        config += &provider(source, "bedrock", "eu-central-1", source);
    }
    config += &provider("endpoint", "sagemaker", "eu-central-1", "container");
    config += "[tenants.acme.llm.routes]\n";
    let routes = [&SOURCES[..], &["endpoint"]].concat();
    for route in &routes {
        config += &format!("{route} = {{ models = [\"{route}\"], tries = 1 }}\n");
    }
    config += "otherwise = { models = [\"container\", \"small\"], tries = 1 }\n";
    Site::new(&(config + &asker(&[&routes[..], &["otherwise"]].concat())))
}

/// Starts a host that has nothing of AWS's in its environment but this.
fn start(site: &Site, variables: &[(&str, &str)]) -> Host {
    let mut command = site.command("serve");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.args(["--log", "trace"]).env("HOME", site.folder.path());
    with_key(site.start_command({
        command.envs(variables.iter().copied());
        command
    }))
}

/// The same with a stand-in that gives credentials in each way that there is.
fn lent_to(site: &Site, lender: &Lender) -> Host {
    let at = format!("http://127.0.0.1:{}", lender.port);
    let [own, profile] = [lent(900), lent(901)];
    site.write("token", WEB_IDENTITY);
    site.write(
        "credentials",
        format!(
            "[default]\naws_access_key_id = {}\naws_secret_access_key = {}\naws_session_token = {}\n",
            profile.access_key, profile.secret_key, profile.token
        ),
    );
    start(
        site,
        &[
            ("AWS_ACCESS_KEY_ID", &own.access_key),
            ("AWS_SECRET_ACCESS_KEY", &own.secret_key),
            ("AWS_SESSION_TOKEN", &own.token),
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "token"),
            ("AWS_ROLE_ARN", ROLE),
            ("AWS_ENDPOINT_URL_STS", &at),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{at}{CONTAINER_PATH}")),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &at),
        ],
    )
}

fn questions(routes: &[&str]) -> Value {
    routes.iter().map(|route| json!({"route": route, "text": "hello"})).collect()
}

/// By which credentials the requests were signed that came since.
fn signers(server: &Server) -> Vec<u32> {
    server.heard.try_iter().filter_map(|heard| lender_of(&heard)).collect()
}

fn came(host: &Host) -> Vec<Value> {
    let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=asked");
    events[0]["event"]["data"].as_array().unwrap().clone()
}

/// Stops the host and gives its log, which has none of what nobody should see.
fn stopped(host: Host) -> String {
    host.ask_to_stop();
    let log: String = host.lines().map(|line| line + "\n").collect();
    assert_eq!(host.ended(), Some(0));
    let secrets = (1..20).chain(900..902).flat_map(|number| [lent(number).secret_key, lent(number).token]);
    let others = [CONTAINER_TOKEN, METADATA_TOKEN, WEB_IDENTITY].map(str::to_owned);
    for secret in secrets.chain(others) {
        assert!(!log.contains(&secret), "{secret}");
    }
    log
}

#[test]
fn each_source_of_credentials_signs_with_what_it_gives_and_keeps_it() {
    let (server, lender) = (Server::start(), Lender::start());
    let site = site(server.port);
    let host = lent_to(&site, &lender);
    let routes = [&SOURCES[..], &["endpoint", "instance", "container", "web-identity"]].concat();
    let attempts = calls(&host, "one", "ask", &questions(&routes));
    // Every signature was checked, or there would be no answer.
    for (route, came) in routes.iter().zip(came(&host)) {
        assert_eq!(came["text"][0], json!("you said: hello"), "{route}: {came}");
    }
    assert_eq!(signers(&server), [900, 901, 1, 2, 3, 900, 2, 3, 2, 1]);
    let asked: Vec<_> = lender.heard.try_iter().map(|heard| format!("{} {}", heard.method, heard.target)).collect();
    let role = "/latest/meta-data/iam/security-credentials/";
    let wanted =
        ["POST /", "GET /lend", "PUT /latest/api/token", &format!("GET {role}"), &format!("GET {role}wharf-role")];
    assert_eq!(asked, wanted, "each source was looked at once");
    let told = attempts[0].to_string();
    assert!((1..4).all(|number| !told.contains(&lent(number).secret_key)), "{told}");
    assert!(stopped(host).contains("\"level\":\"DEBUG\""), "what is not told is not because nothing is");
    for number in 1..4 {
        let [key, token] = [lent(number).secret_key, lent(number).token].map(String::into_bytes);
        assert_eq!([found_in_data(&site, &key), found_in_data(&site, &token)].concat(), Vec::<String>::new());
    }
}

#[test]
fn credentials_that_end_are_renewed_and_every_call_between_is_signed() {
    let (server, lender) = (Server::start(), Lender::start());
    let site = site(server.port);
    let host = lent_to(&site, &lender);
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    lender.set(Lends::Until(end.to_string()));
    let ask = |id: &str| {
        calls(&host, id, "ask", &questions(&["container"]));
        assert_eq!(came(&host)[0]["text"][0], json!("you said: hello"), "{id}");
        signers(&server)
    };
    assert_eq!(ask("first"), [1]);
    lender.set(Lends::Until(LATE.to_owned()));
    let renewed = (0..).map(|number| ask(&format!("call-{number}"))).find(|signers| *signers != [1]);
    assert_eq!(renewed, Some(vec![2]));
    assert_eq!((ask("last"), lender.heard.try_iter().count()), (vec![2], 2));
    // What has ended when it comes is given to whoever waited for it, and to nobody else.
    lender.set(Lends::Until("2001-01-01T00:00:00Z".to_owned()));
    calls(&host, "ended", "ask", &questions(&["web-identity", "web-identity"]));
    lender.set(Lends::Until(LATE.to_owned()));
    calls(&host, "lasts", "ask", &questions(&["web-identity", "web-identity"]));
    assert_eq!(signers(&server), [3, 4, 5, 5]);
    stopped(host);
}

#[test]
fn whoever_gives_no_credentials_holds_up_no_other_call_and_shows_none_in_an_error() {
    let (server, lender) = (Server::start(), Lender::start());
    let site = site(server.port);
    let host = lent_to(&site, &lender);
    lender.set(Lends::Silence);
    let event = |id: &str, route: &str| {
        let data = questions(&[route]);
        let event = json!({"specversion": "1.0", "id": id, "source": "test", "type": "ask", "data": data});
        assert_eq!(host.post("/events", "application/cloudevents+json", event.to_string()).0, 202);
    };
    event("waits", "container");
    assert_eq!(lender.heard.recv_timeout(PATIENCE).unwrap().target, CONTAINER_PATH);
    event("goes", "web-identity");
    // The second is answered while the first is not.
    assert_eq!(lender_of(&server.heard.recv_timeout(PATIENCE).unwrap()), Some(1));
    lender.set(Lends::Until(LATE.to_owned()));
    assert!(lender_of(&server.heard.recv_timeout(PATIENCE).unwrap()) > Some(1));
    host.settled("acme");
    lender.set(Lends::Half);
    let attempts = calls(&host, "half", "ask", &questions(&["instance"]));
    let said = lines(&attempts[0]);
    assert_eq!(attempts[0]["limits"], json!(["credentials-unavailable"]), "{said}");
    assert!(said.contains("no credentials for AWS were given by the instance's metadata service; "), "{said}");
    assert!((1..20).all(|number| !attempts[0].to_string().contains(&lent(number).secret_key)), "{said}");
    // Why is for the operator.
    let log = stopped(host);
    assert!(
        log.lines().any(|line| line.contains("\"why\"") && line.contains("the instance's metadata service")),
        "{log}"
    );
}

#[test]
fn where_there_are_no_credentials_it_is_said_what_to_set_and_another_model_is_asked() {
    let server = Server::start();
    let site = site(server.port);
    let host = start(&site, &[("AWS_EC2_METADATA_DISABLED", "true")]);
    let attempts = calls(&host, "one", "ask", &questions(&SOURCES));
    assert_eq!(
        (attempts[0]["limits"].clone(), server.heard.try_iter().count()),
        (json!(["credentials-unavailable"]), 0)
    );
    let said = lines(&attempts[0]);
    for wanted in [
        "in the host's variables; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "AWS_PROFILE",
        "set AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN",
        "set AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "in the instance's metadata service; give the instance a role",
        "in any place where AWS's own programs look",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let attempts = calls(&host, "two", "ask", &questions(&["otherwise"]));
    assert!(lines(&attempts[0]).contains("otherwise, chat: small at try 2, "), "{}", lines(&attempts[0]));
    assert!(stopped(host).contains("IMDS disabled by AWS_EC2_METADATA_DISABLED"));
}
