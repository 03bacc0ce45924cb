//! Checking a folder of compiled artifacts that no host uses, without loading any.
//!
//! Invariant: nothing is changed and no artifact becomes code; that happens only where one is loaded, after the same check.

use std::io;

use cap_std::fs::Dir;

use crate::cache::{ArtifactCache, SECRET, SUFFIX};

/// What a file of the cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Artifact {
    /// An artifact that the secret vouches for.
    Whole,
    /// An artifact that it does not vouch for.
    Damaged,
    /// The secret, which has not the length of one.
    Secret,
    /// The secret, which is not there although artifacts are.
    SecretMissing,
    /// Anything else.
    Leftover,
}

/// Every file of the cache in `folder` but a sound secret, with what it is, in the order of their names.
///
/// # Errors
/// When the folder or a file cannot be read.
pub fn check_cache(folder: &Dir) -> io::Result<Vec<(String, Artifact)>> {
    let names = folder.entries()?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.collect::<io::Result<_>>()?;
    names.sort_unstable();
    let mut checked = Vec::with_capacity(names.len());
    let secret = if names.iter().any(|name| name == SECRET) { Some(folder.read(SECRET)?) } else { None };
    let is_there = secret.is_some();
    let cache = match secret.and_then(|secret| secret.try_into().ok()) {
        Some(secret) => Some(ArtifactCache::with_secret(folder.try_clone()?, secret)),
        None => {
            if is_there {
                checked.push((SECRET.to_owned(), Artifact::Secret));
            } else if names.iter().any(|name| name.ends_with(SUFFIX)) {
                checked.push((SECRET.to_owned(), Artifact::SecretMissing));
            }
            None
        }
    };
    for name in names.into_iter().filter(|name| name != SECRET) {
        let what = if name.ends_with(SUFFIX) {
            let bytes = folder.read(&name)?;
            let vouched = cache.as_ref().is_some_and(|cache| cache.verified(&name, &bytes).is_some());
            if vouched { Artifact::Whole } else { Artifact::Damaged }
        } else {
            Artifact::Leftover
        };
        checked.push((name, what));
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::MAGIC;

    #[test]
    fn a_flipped_bit_of_an_artifact_or_of_the_secret_is_found() {
        let path = std::env::temp_dir().join(format!("wharf-checked-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&path).unwrap();
        let open = || Dir::open_ambient_dir(&path, cap_std::ambient_authority()).unwrap();
        assert_eq!(check_cache(&open()).unwrap(), []);
        let cache = ArtifactCache::open(open()).unwrap();
        let signed = |name, code: &[u8]| [code, cache.mac(name, code).as_bytes().as_slice(), MAGIC].concat();
        let (a, b) = (signed("a.cwasm", b"machine code"), signed("b.cwasm", b"more of it"));
        std::fs::write(path.join("a.cwasm"), &a).unwrap();
        std::fs::write(path.join("b.cwasm"), &b).unwrap();
        let named = |a, b| vec![("a.cwasm".to_owned(), a), ("b.cwasm".to_owned(), b)];
        assert_eq!(check_cache(&open()).unwrap(), named(Artifact::Whole, Artifact::Whole));
        for at in 0..a.len() {
            let mut flipped = a.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(path.join("a.cwasm"), flipped).unwrap();
            assert_eq!(check_cache(&open()).unwrap(), named(Artifact::Damaged, Artifact::Whole), "byte {at}");
        }
        std::fs::write(path.join("a.cwasm"), &a).unwrap();
        let secret = std::fs::read(path.join(SECRET)).unwrap();
        for at in 0..secret.len() {
            let mut flipped = secret.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(path.join(SECRET), flipped).unwrap();
            assert_eq!(check_cache(&open()).unwrap(), named(Artifact::Damaged, Artifact::Damaged), "byte {at}");
        }
        std::fs::write(path.join(SECRET), b"short").unwrap();
        assert_eq!(check_cache(&open()).unwrap()[0], (SECRET.to_owned(), Artifact::Secret));
        std::fs::remove_file(path.join(SECRET)).unwrap();
        assert_eq!(check_cache(&open()).unwrap()[0], (SECRET.to_owned(), Artifact::SecretMissing));
        std::fs::write(path.join("a.cwasm.12.new"), b"half").unwrap();
        assert_eq!(check_cache(&open()).unwrap()[2], ("a.cwasm.12.new".to_owned(), Artifact::Leftover));
        std::fs::remove_dir_all(&path).unwrap();
    }
}
