//! Goal: a host that takes its time to start says that it lives, and what it waits for, and serves when it is ready. Method: the
//! file of a component is a pipe, from which nothing comes before the test has asked.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::host::{Site, guest};

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_host_that_starts_says_that_it_lives_and_what_it_waits_for() {
    let site = Site::new("default_tenant = \"acme\"\n[tenants.acme.plugins.slow]\ncomponent = \"slow.wasm\"\n");
    let pipe = site.folder.path().join("slow.wasm");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = site.command("serve");
    let at = command.get_args().position(|argument| argument == "127.0.0.1:0").unwrap();
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let folder = site.folder.path().to_owned();
    command = Command::new(command.get_program());
    command.current_dir(folder).args(&arguments[..at]).arg(address.to_string()).args(&arguments[at + 1..]);
    let mut child = Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let get = |path: &str| -> Option<(u16, Value)> {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        let mut response = agent.get(format!("http://{address}{path}")).call().ok()?;
        Some((response.status().as_u16(), serde_json::from_str(&response.body_mut().read_to_string().ok()?).ok()?))
    };
    let mut answered = |path: &str| loop {
        // Before the socket is bound nothing answers.
        assert!(child.0.try_wait().unwrap().is_none(), "it ended");
        match get(path) {
            Some(answer) => return answer,
            None => std::thread::yield_now(),
        }
    };
    assert_eq!(answered("/livez").0, 200);
    // It answers before it has come to what it waits for.
    loop {
        let (status, problem) = answered("/readyz");
        assert_eq!((status, &problem["code"]), (503, &"not-ready".into()), "{problem}");
        if problem["detail"].as_str().unwrap().contains("components are read and compiled") {
            break;
        }
    }
    assert_eq!(answered("/v1/tenants").1["code"], "not-ready");
    fs::write(&pipe, fs::read(guest("flaky")).unwrap()).unwrap();
    while answered("/readyz").0 == 503 {}
    assert_eq!((answered("/readyz").0, answered("/v1/tenants").0), (200, 200));
}
