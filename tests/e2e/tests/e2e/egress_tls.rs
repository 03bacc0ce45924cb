//! Goal: a plugin's request by TLS reaches whom the machine trusts, or whom `SSL_CERT_FILE` says, under the name that was asked for, and nobody else; who is
//! refused is told by a code and a reason.
//! Method: a server whose certificate is signed by an authority of the tests, under a name that the host's DNS server has for this machine.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::{Value, json};

use crate::{
    egress::{calls, lines},
    host::{Host, Site, guest},
    webhooks::names,
};

const CERTIFICATE: &[u8] = include_bytes!("../../../../host/egress/tests/egress/data/server.pem");
const KEY: &[u8] = include_bytes!("../../../../host/egress/tests/egress/data/server.key");

/// The file of the authority.
fn authority() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host/egress/tests/egress/data/ca.pem");
    path.display().to_string()
}

/// A server of `hook.test`, and what it was asked.
fn server() -> (u16, Receiver<String>) {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(builder.with_single_cert(vec![certificate], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heard, hears) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map(Result::unwrap) {
            let (config, heard) = (Arc::clone(&config), heard.clone());
            std::thread::spawn(move || -> std::io::Result<()> {
                let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
                let mut stream = BufReader::new(StreamOwned::new(connection, stream));
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if stream.read_line(&mut head)? == 0 {
                        return Ok(());
                    }
                }
                // Nobody may be listening.
                let _ = heard.send(head);
                stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
                stream.get_mut().flush()
            });
        }
    });
    (port, hears)
}

fn start(site: &Site, certificates: Option<&str>) -> Host {
    let mut command = site.command("serve");
    command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    if let Some(file) = certificates {
        command.env("SSL_CERT_FILE", file);
    }
    site.start_command(command)
}

#[test]
fn egress_by_tls_reaches_whom_ssl_cert_file_trusts_and_nobody_else() {
    let (port, hears) = server();
    let site = Site::new(&format!(
        "default_tenant = \"acme\"\n[egress]\nnetworks = [\"127.0.0.0/8\"]\ndns = [\"127.0.0.1:{}\"]\n[tenants.acme.plugins.caller]\n\
         component = \"{}\"\ngrants = {{ publish = [\"called\"], http = [\"https://*.test:{port} private\"] }}\n\
         [tenants.acme.rules.calls]\npattern = {{ type = [\"call\"] }}\n\
         targets = [{{ plugin = \"caller\", retry = {{ attempts = 1 }} }}]\n",
        names(|_| [127, 0, 0, 1]).0,
        guest("caller").display()
    ));
    site.write("nobody.pem", "");
    let of = |name: &str| json!({"url": format!("https://{name}.test:{port}/x")});
    let list = json!([of("hook"), of("other"), of("hook")]);
    let came = |host: &Host| {
        let (_, events) = host.get("/v1/tenants/acme/events?type_prefix=called");
        events[0]["event"]["data"].as_array().unwrap().clone()
    };
    // The authority is named: its server is reached under its own name, and under no other.
    let host = start(&site, Some(&authority()));
    let attempts = calls(&host, "named", "call", &list);
    let named = came(&host);
    for at in [0, 2] {
        assert_eq!(named[at]["status"], json!([200, "ok"]), "{named:?} {}", lines(&attempts[0]));
        assert!(hears.recv().unwrap().contains(&format!("host: hook.test:{port}\r\n")));
    }
    assert!(named[1]["refused"].as_str().unwrap().starts_with("no answer"), "{named:?}");
    assert_eq!(attempts[0]["limits"], json!(["http-unreachable"]));
    let said = lines(&attempts[0]);
    assert!(said.contains("no TLS with `other.test`") && said.contains("not valid for name"), "{said}");
    assert_eq!(host.stop(), Some(0));
    // It is not among those that the machine trusts, and whoever trusts nobody reaches nobody.
    for certificates in [None, Some("nobody.pem"), Some("missing.pem")] {
        let host = start(&site, certificates);
        let attempts = calls(&host, &format!("{certificates:?}"), "call", &list);
        let refused: Vec<Value> = came(&host).iter().map(|came| came["refused"].clone()).collect();
        assert!(refused.iter().all(Value::is_string), "{certificates:?}: {refused:?}");
        assert_eq!(attempts[0]["limits"], json!(["http-unreachable"]), "{certificates:?}");
        let said = lines(&attempts[0]);
        assert_eq!(said.matches("http-unreachable: ").count(), 3, "{certificates:?}: {said}");
        assert!(said.contains("UnknownIssuer") || certificates.is_some(), "{said}");
        assert!(hears.try_recv().is_err(), "{certificates:?}");
        assert_eq!(host.stop(), Some(0));
    }
}
