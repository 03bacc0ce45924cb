//! What a plugin says that it needs, put into its component.
//!
//! Invariant: what is said is JSON that the host understands; a text that would not be is an error of the compiler. Saying it allows nothing:
//! the tenant grants it.

/// Says which event types a plugin publishes and which buckets it opens, so that whoever grants it need not guess. The host gives it no
/// more than that, whatever is granted.
///
/// A type ends in `*` where all are meant that begin so; a bucket has `:read` behind its name where it is only read. What is left out is not
/// said: then any grant of that kind will do.
///
/// ```
/// wharf::needs! {
///     publish = ["order.*"],
///     kv = ["orders", "prices:read"],
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! needs {
    (publish = $publish:tt, kv = $kv:tt $(,)?) => {
        $crate::needs! { @put ::core::concat!(
            "{\"publish\":", $crate::needs!(@list $publish), ",\"kv\":", $crate::needs!(@list $kv), "}"
        ) }
    };
    (publish = $publish:tt $(,)?) => {
        $crate::needs! { @put ::core::concat!("{\"publish\":", $crate::needs!(@list $publish), "}") }
    };
    (kv = $kv:tt $(,)?) => {
        $crate::needs! { @put ::core::concat!("{\"kv\":", $crate::needs!(@list $kv), "}") }
    };
    (@list [$($first:literal $(, $more:literal)*)? $(,)?]) => {
        ::core::concat!("[" $(, "\"", $first, "\"" $(, ",\"", $more, "\"")*)?, "]")
    };
    (@put $text:expr) => {
        const _: () = {
            const TEXT: &str = $text;
            #[used]
            #[cfg_attr(target_arch = "wasm32", unsafe(link_section = "wharf:needs"))]
            static NEEDS: [u8; TEXT.len()] = $crate::needs_bytes(TEXT);
        };
    };
}

/// The bytes of a text that is JSON as long as no name within it needs an escape.
#[doc(hidden)]
#[must_use]
#[allow(clippy::indexing_slicing, reason = "N is the length of the text, and this is run by the compiler")]
pub const fn needs_bytes<const N: usize>(text: &str) -> [u8; N] {
    let (mut rest, mut copy, mut at) = (text.as_bytes(), [0; N], 0);
    while let Some((byte, more)) = rest.split_first() {
        assert!(
            byte.is_ascii_graphic() && *byte != b'\\',
            "a name has no spaces, no backslashes, nothing beyond ASCII"
        );
        copy[at] = *byte;
        (rest, at) = (more, at + 1);
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_json_with_or_without_either_list() {
        let both = needs!(@list ["order.*", "paid"]);
        assert_eq!(both, r#"["order.*","paid"]"#);
        assert_eq!(needs!(@list []), "[]");
        assert_eq!(needs!(@list ["orders",]), r#"["orders"]"#);
        assert_eq!(needs_bytes::<2>("[]"), *b"[]");
    }

    // Each of these is an error of the compiler where it is not understood.
    needs! { publish = ["order.*"], kv = ["orders", "prices:read"] }
    needs! { publish = [] }
    needs! { kv = ["orders"], }
}
