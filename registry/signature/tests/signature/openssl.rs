//! Keys and signatures beside the program `openssl`, which knows nothing of this one. Where it is not installed, nothing is compared, and
//! that is said.

use std::{fs, path::Path, process::Command};

use wharf_event::{Digest, SigningKeyName};
use wharf_signature::{Keys, Policy, PublicKey, SecretKey, Signature, Verified, check, message};

use crate::key;

/// Runs it in a folder: whether it was content, and what it wrote to stdout. None where there is no such program.
fn openssl(folder: &Path, line: &str) -> Option<(bool, Vec<u8>)> {
    let done = Command::new("openssl").current_dir(folder).args(line.split(' ')).output().ok()?;
    Some((done.status.success(), done.stdout))
}

/// A folder, if the program is there and can sign with ed25519.
fn folder() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    match openssl(folder.path(), "genpkey -algorithm ed25519 -out theirs.pem") {
        Some((true, _)) => Some(folder),
        _ => {
            eprintln!("openssl is not here, or does not know ed25519: nothing is compared");
            None
        }
    }
}

#[test]
fn its_keys_are_read_and_its_signatures_are_right() {
    let Some(folder) = folder() else { return };
    let path = folder.path();
    let key = SecretKey::from_pem(&fs::read_to_string(path.join("theirs.pem")).unwrap()).unwrap();
    let (_, public) = openssl(path, "pkey -in theirs.pem -pubout").unwrap();
    assert_eq!(String::from_utf8(public).unwrap().parse::<PublicKey>().unwrap(), key.public());
    let digest = Digest::of(b"release");
    fs::write(path.join("message"), message(&digest)).unwrap();
    let (signed, bytes) = openssl(path, "pkeyutl -sign -rawin -inkey theirs.pem -in message").unwrap();
    assert!(signed);
    let theirs = Signature { key: key.public().id(), bytes: bytes.try_into().unwrap() };
    assert_eq!(theirs, key.sign(&digest), "the scheme leaves no choice");
    let mut keys = Keys::default();
    let name: SigningKeyName = "theirs".parse().unwrap();
    keys.register(name.clone(), key.public(), 0).unwrap();
    assert_eq!(check(Policy::Require, &keys, &digest, &[theirs]), Ok(Verified::By(name)));
}

#[test]
fn it_reads_our_keys_and_takes_our_signatures() {
    let Some(folder) = folder() else { return };
    let path = folder.path();
    fs::write(path.join("ours.pem"), key(9).to_pem().unwrap().as_bytes()).unwrap();
    let (read, public) = openssl(path, "pkey -in ours.pem -pubout").unwrap();
    assert!(read, "it does not read our PEM");
    assert_eq!(String::from_utf8(public.clone()).unwrap().parse::<PublicKey>().unwrap(), key(9).public());
    fs::write(path.join("ours.pub"), public).unwrap();
    let digest = Digest::of(b"release");
    fs::write(path.join("signature"), key(9).sign(&digest).bytes).unwrap();
    for (digest, right) in [(digest, true), (Digest::of(b"another"), false)] {
        fs::write(path.join("message"), message(&digest)).unwrap();
        let verify = "pkeyutl -verify -rawin -pubin -inkey ours.pub -in message -sigfile signature";
        assert_eq!(openssl(path, verify).unwrap().0, right);
    }
}
