//! Where in its flexible window a due time fires: spread, and the same each time somebody asks.

/// How long after the due time it fires, in milliseconds, below `window_ms`: by the schedule's name and the time alone, so that a
/// host that starts again knows it. Nothing where there is no window.
#[must_use]
pub fn delay_ms(names: &[&str], due_ms: u64, window_ms: u64) -> u64 {
    // FNV-1a, and then the finish of splitmix, since names often differ in their last byte only.
    let bytes = names.iter().flat_map(|name| name.bytes().chain([0])).chain(due_ms.to_be_bytes());
    let mixed =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)).checked_rem(window_ms).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_filled_evenly_and_the_same_each_time() {
        let window_ms = 600_000;
        let mut tenths = [0_u32; 10];
        for n in 0..10_000_u32 {
            let delay = delay_ms(&["acme", &format!("s{n}")], 1_000, window_ms);
            assert_eq!(delay, delay_ms(&["acme", &format!("s{n}")], 1_000, window_ms));
            tenths[usize::try_from(delay * 10 / window_ms).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|count| (900..1_100).contains(count)), "{tenths:?}");
        assert_eq!(delay_ms(&["acme", "s"], 1_000, 0), 0);
        assert_ne!(delay_ms(&["a", "bc"], 0, u64::MAX), delay_ms(&["ab", "c"], 0, u64::MAX));
    }
}
