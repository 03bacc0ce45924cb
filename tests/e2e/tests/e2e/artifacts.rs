//! Compiled artifacts are kept once, and taken only as this host wrote them: anything else is compiled again and told.

use std::{
    io::{Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    process::Stdio,
};

use crate::{
    host::{Site, guest},
    killed::until,
};

/// How nice a process is: field 19 of proc_pid_stat(5).
fn niceness(process: u32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').nth(19 - 3).unwrap().parse().unwrap()
}

#[test]
fn a_process_that_compiles_has_its_limits_steps_back_and_gives_an_artifact_or_a_reason() {
    let limited = |child: u32| {
        let limits = std::fs::read_to_string(format!("/proc/{child}/limits")).unwrap();
        let has = |name: &str, value: &str| {
            limits
                .lines()
                .any(|line| line.starts_with(name) && line[name.len()..].split_whitespace().next() == Some(value))
        };
        has("Max cpu time", "120")
            && has("Max address space", &(8_u64 << 30).to_string())
            && has("Max open files", "16")
            && has("Max core file size", "0")
    };
    let compile = |asked: &[u8]| {
        let mut command = crate::host::wharf();
        command.arg("compile").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It takes its limits on before it reads; they are looked at while it waits for the rest.
        stdin.write_all(&asked[..asked.len() / 2]).unwrap();
        let began = std::time::Instant::now();
        while !limited(child.id()) {
            assert!(began.elapsed().as_secs() < 60, "it has no limit");
            std::thread::yield_now();
        }
        let network = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).unwrap();
        let is_apart = network(&child.id().to_string()) != network("self");
        assert_eq!(niceness(child.id()), (niceness(std::process::id()) + 19).min(19), "it runs when nobody else does");
        stdin.write_all(&asked[asked.len() / 2..]).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        let answer = parts(&output.stdout);
        if let Some(says) = answer.first() {
            assert_eq!(is_apart, says == b"-", "it says whether it has a network");
        }
        (output, answer)
    };
    let wasm = std::fs::read(guest("probe")).unwrap();
    let (output, answer) = compile(&wasm);
    assert!(output.status.success());
    assert!(matches!(&answer[..], [network, artifact] if network.len() == 1 && artifact.starts_with(b"\x7fELF")));
    let (output, answer) = compile(b"");
    assert!(output.status.success() && answer.len() == 1, "what a host asks at its start");
    let (output, answer) = compile(b"\0asm\x0d\0\x01\0 and no more");
    assert_eq!((output.status.code(), answer), (Some(1), Vec::new()));
    assert!(String::from_utf8(output.stderr).unwrap().contains("the component is not valid"));
}

/// The parts of an answer, each behind its length.
pub fn parts(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (part, rest) = rest.split_at(usize::try_from(u64::from_le_bytes(*length)).unwrap());
        parts.push(part.to_vec());
        bytes = rest;
    }
    parts
}

#[test]
fn a_process_that_waits_for_a_component_may_be_killed_and_ends_with_its_host() {
    let site = Site::probe("", "attempts = 1");
    let config = std::fs::read_to_string(site.folder.path().join("wharf.toml")).unwrap();
    site.write("wharf.toml", config.replace(&guest("probe").display().to_string(), "handler.wasm"));
    site.write("handler.wasm", std::fs::read(guest("probe")).unwrap());
    let host = site.start("dev");
    // One that compiled a moment ago may be there yet: the next one comes when that has been gone for a while.
    let waiting = || {
        until("what compiled to end", || host.children().is_empty());
        let mut child = None;
        until("a process to wait", || {
            child = host.children().first().copied();
            child.is_some()
        });
        child.unwrap()
    };
    let is_there = |child: u32| std::path::Path::new(&format!("/proc/{child}")).exists();
    let killed = rustix::process::Pid::from_raw(waiting().cast_signed()).unwrap();
    rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
    site.write("handler.wasm", std::fs::read(guest("flaky")).unwrap());
    host.wait_for_log("reloaded probe ");
    let asked = waiting();
    // A custom section makes another component of the same functions.
    site.write("handler.wasm", [&std::fs::read(guest("flaky")).unwrap()[..], b"\0\x02\x01x"].concat());
    host.wait_for_log("reloaded probe ");
    until("it to end with what it compiled", || !is_there(asked));
    let last = waiting();
    host.kill();
    until("it to end with its host", || !is_there(last));
}

#[test]
fn a_process_that_is_killed_while_it_compiles_is_a_problem_of_its_component() {
    let site = Site::probe("", "attempts = 1");
    let mut command = site.command("serve");
    let mut host = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let tasks = format!("/proc/{}/task", host.id());
    // Whichever of its threads started it.
    let child = || {
        let threads = std::fs::read_dir(&tasks).unwrap().filter_map(Result::ok);
        let children = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
        children.collect::<String>().split_whitespace().next().map(|id| id.parse().unwrap())
    };
    let began = std::time::Instant::now();
    let child = loop {
        if let Some(child) = child() {
            break child;
        }
        assert!(began.elapsed().as_secs() < 60, "it compiles nothing");
        std::thread::yield_now();
    };
    let child = rustix::process::Pid::from_raw(child).unwrap();
    rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
    let mut said = String::new();
    host.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!host.wait().unwrap().success());
    assert!(said.contains("error[component-compile]") && said.contains("ended by signal 9"), "{said}");
}

/// The only artifact of a site.
fn artifact(site: &Site) -> PathBuf {
    let files = std::fs::read_dir(site.folder.path().join("data/cache")).unwrap().map(|entry| entry.unwrap().path());
    let mut artifacts: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "cwasm")).collect();
    assert_eq!(artifacts.len(), 1, "{artifacts:?}");
    artifacts.remove(0)
}

/// Puts other bytes in its place, as somebody would who can write to the folder.
fn put(site: &Site, bytes: &[u8]) {
    let path = artifact(site);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
}

#[test]
fn an_artifact_that_is_not_as_this_host_wrote_it_is_compiled_again_and_told() {
    let (site, other) = (Site::probe("", "attempts = 1"), Site::probe("", "attempts = 1"));
    for site in [&site, &other] {
        assert_eq!(site.start("serve").stop(), Some(0));
    }
    let written = || (std::fs::metadata(artifact(&site)).unwrap().ino(), std::fs::read(artifact(&site)).unwrap());
    let (first, whole) = written();
    let host = site.start("serve");
    host.send("whole", "probe.increment");
    host.settled("acme");
    assert_eq!(host.stop(), Some(0));
    assert_eq!(written().0, first, "what is there is taken and not written again");
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let foreign = std::fs::read(artifact(&other)).unwrap();
    assert_eq!(foreign.len(), whole.len(), "the same component, under another secret");
    for (n, bytes) in (0..).zip([flipped.as_slice(), &whole[..whole.len() - 1], &[], &foreign]) {
        put(&site, bytes);
        let host = site.start("serve");
        host.send(&n.to_string(), "probe.increment");
        host.wait_for_log("a cached artifact is not ours or is damaged; compiling again");
        let stats = host.settled("acme");
        assert_eq!((host.value("probe", "shared"), stats["retries"].as_u64()), (Some((n + 2).to_string()), Some(0)));
        assert_eq!(host.stop(), Some(0));
        let (_, again) = written();
        assert_eq!(again.len(), whole.len());
        assert!(again != bytes, "it was written anew");
    }
}
