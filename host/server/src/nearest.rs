//! What somebody probably meant who wrote a name that there is not.
//!
//! Invariant: a guess is only ever shown; nothing acts on it.

/// How alike two names have to be (Jaro-Winkler, 1 is equal) for one to be taken for the other.
const ALIKE: f64 = 0.8;

/// The one of `names` that is most like `written`, if any is like it.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = names.into_iter().map(|name| (strsim::jaro_winkler(&written.to_lowercase(), name), name));
    let best = scored.filter(|(score, _)| *score >= ALIKE).max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let names = ["wall_ms", "cpu_ms", "memory_mib", "concurrency", "retry", "targets"];
        let cases = [
            ("memory", Some("memory_mib")),
            ("memory_mb", Some("memory_mib")),
            ("wall", Some("wall_ms")),
            ("CPU_MS", Some("cpu_ms")),
            ("concurency", Some("concurrency")),
            ("retries", Some("retry")),
            ("target", Some("targets")),
            ("colour", None),
            ("", None),
        ];
        for (written, meant) in cases {
            assert_eq!(nearest(written, names), meant, "{written}");
        }
    }
}
