//! The guests of this repository, as `cargo xtask guests` built them, and what is told of them.

use std::path::{Path, PathBuf};

use wharf_inspect::{Capability, Kind, describe};

/// The folder with the guests.
fn folder() -> PathBuf {
    let given = std::env::var_os("WHARF_GUESTS").map(PathBuf::from);
    given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests"))
}

/// A guest.
pub fn guest(name: &str) -> Vec<u8> {
    let path = folder().join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask guests` builds it", path.display()))
}

#[test]
fn each_guest_is_what_it_was_written_to_be() {
    use Capability::{Kv, Logging, Publish};
    let cases: [(&str, Kind, &[Capability], &[Capability]); 5] = [
        ("counter", Kind::Handler, &[Kv, Logging], &[Publish]),
        ("probe", Kind::Handler, &[Publish, Kv], &[]),
        ("hoarder", Kind::Handler, &[], &[Publish, Kv]),
        ("batch-probe", Kind::Batch, &[Publish, Kv], &[]),
        ("transform-probe", Kind::Transform, &[], &Capability::ALL),
    ];
    for (name, kind, needs, not) in cases {
        let found = describe(&guest(name)).unwrap();
        let asked = found.needs();
        assert_eq!(found.world, Ok(kind.world()), "{name}");
        assert!(
            needs.iter().all(|it| asked.contains(it)) && !not.iter().any(|it| asked.contains(it)),
            "{name}: {asked:?}"
        );
    }
    let impure = describe(&guest("impure-transform")).unwrap();
    assert_eq!(impure.world.unwrap_err().code().as_str(), "component-impure");
    // It imports drafts, which are of no release of WASI.
    assert_eq!(describe(&guest("probe")).unwrap().wasi, None);
    assert!(describe(&guest("hostile")).unwrap().wasi.is_some());
}
