//! Keys and signatures in files: made, signed with, checked. No host is there.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use serde_json::Value;

/// Runs a command in a folder: its exit status, stdout and stderr.
fn run(folder: &Path, line: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    let done = command.current_dir(folder).args(line.split(' ')).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

#[test]
fn a_component_is_signed_and_verified_and_a_changed_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("p.wasm"), b"\0asm").unwrap();
    let (status, public, talk) = run(path, "key generate --out k.pem");
    assert!(status == 0 && public.starts_with("ed25519:") && !talk.contains("BEGIN"), "{talk}");
    assert_eq!(fs::metadata(path.join("k.pem")).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(path.join("k.pub"), &public).unwrap();

    let (status, _, talk) = run(path, "verify p.wasm --key k.pub");
    assert!(status == 10 && talk.contains("error[signature-missing]"), "{talk}");
    let (status, said, _) = run(path, "sign p.wasm --key k.pem -o json");
    let said: Value = serde_json::from_str(&said).unwrap();
    let written = fs::read_to_string(path.join("p.wasm.sig")).unwrap();
    assert_eq!((status, said["signature"].as_str(), &said["written"]), (0, Some(written.trim()), &"p.wasm.sig".into()));
    let (status, said, _) = run(path, "verify p.wasm --key k.pub");
    assert!(status == 0 && said.starts_with("ok  sha256:"), "{said}");
    assert_eq!(run(path, &format!("verify p.wasm --key {}", public.trim())).0, 0);

    let (_, other, _) = run(path, "key generate --out other.pem");
    let (status, _, talk) = run(path, &format!("verify p.wasm --key {}", other.trim()));
    assert!(status == 10 && talk.contains("error[signing-key-unknown]"), "{talk}");
    fs::write(path.join("p.wasm"), b"\0asn").unwrap();
    let (status, said, talk) = run(path, "verify p.wasm --key k.pub -o json");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((status, &said["verified"], &said["code"]), (10, &false.into(), &"signature-wrong".into()), "{talk}");
    fs::write(path.join("bad.sig"), "signed, sincerely\n").unwrap();
    let (status, _, talk) = run(path, "verify p.wasm --key k.pub --signature bad.sig");
    assert!(status == 1 && talk.contains("error[signature-invalid]"), "{talk}");
}

#[test]
fn a_key_is_written_over_nothing_and_what_is_none_is_not_signed_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("p.wasm"), b"\0asm").unwrap();
    fs::write(path.join("k.pem"), "precious").unwrap();
    let (status, said, talk) = run(path, "key generate --out k.pem");
    assert!(status == 5 && said.is_empty() && talk.contains("is there already"), "{talk}");
    assert_eq!(fs::read_to_string(path.join("k.pem")).unwrap(), "precious");
    let (status, _, talk) = run(path, "sign p.wasm --key k.pem");
    assert!(status == 1 && talk.contains("error[signing-key-invalid]"), "{talk}");
    assert!(!path.join("p.wasm.sig").exists());
    assert_eq!(run(path, "sign nowhere.wasm --key k.pem").0, 1);
    assert_eq!(run(path, "sign p.wasm").0, 2);
}
