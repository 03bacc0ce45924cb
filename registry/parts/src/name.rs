//! The names by which the rest of a component imports its parts.
//!
//! Invariant: a name says one digest and a digest has one name, so a part is found by what is asked for and by nothing else.

use wharf_event::Digest;

/// What such a name begins with: its words begin with a letter, as those of components have to.
const PREFIX: &str = "core-a";

/// The name of the part with this digest: `core-a` and the digest's 64 hex digits.
pub(crate) fn name(digest: &Digest) -> String {
    format!("{PREFIX}{}", digest.hex())
}

/// Which part an import asks for, if it is one of a part.
#[must_use]
pub fn wanted(import: &str) -> Option<Digest> {
    let digits = import.strip_prefix(PREFIX)?;
    format!("sha256:{digits}").parse().ok()
}

/// Whether a component that has such an import is none to take apart: what it asks for might be taken for a part.
pub(crate) fn looks_like_one(import: &str) -> bool {
    import.starts_with(PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_digest_and_no_other_name_says_one() {
        let digest = Digest::of(b"libpython");
        let spelled = name(&digest);
        assert_eq!(wanted(&spelled), Some(digest));
        for other in
            [&spelled[..69], &spelled.to_uppercase(), &spelled.replace("core-a", "core-b"), "core-a", "", "core-aé"]
        {
            assert_eq!(wanted(other), None, "{other}");
        }
        assert_eq!(wanted(&format!("{spelled}0")), None);
    }
}
