//! What a plugin says that it needs, put into its component.
//!
//! Invariant: what is said is JSON that the host understands; a text that would not be is an error of the compiler. Saying it allows nothing:
//! the tenant grants it.

/// Says which event types a plugin publishes, which buckets it opens, which requests it sends, by which routes it asks models, which models of
/// its tenant it asks, and which secrets it holds, so that whoever grants it need not guess. The host gives it no more than that, whatever is granted.
///
/// A type ends in `*` where all are meant that begin so; a bucket has `:read` behind its name where it is only read. What is left out is not
/// said: then any grant of that kind will do.
///
/// ```
/// wharf::needs! {
///     publish = ["order.*"],
///     kv = ["orders", "prices:read"],
///     http = ["POST https://api.example.com/v1/*"],
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! needs {
    ($($kind:ident = $list:tt),+ $(,)?) => {
        $($crate::needs! { @kind $kind })+
        $crate::needs! { @put $($kind = $list),+ }
    };
    (@kind publish) => {};
    (@kind kv) => {};
    (@kind http) => {};
    (@kind llm) => {};
    (@kind infer) => {};
    (@kind hold) => {};
    (@list [$($first:literal $(, $more:literal)*)? $(,)?]) => {
        ::core::concat!("[" $(, "\"", $first, "\"" $(, ",\"", $more, "\"")*)?, "]")
    };
    (@put $first:ident = $list:tt $(, $kind:ident = $more:tt)*) => {
        const _: () = {
            const TEXT: &str = ::core::concat!(
                "{\"", ::core::stringify!($first), "\":", $crate::needs!(@list $list)
                $(, ",\"", ::core::stringify!($kind), "\":", $crate::needs!(@list $more))*, "}"
            );
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
            (byte.is_ascii_graphic() || *byte == b' ') && *byte != b'\\',
            "a name has no backslashes and nothing beyond ASCII"
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
    needs! { http = ["POST https://api.example.com/v1/*"] }
    needs! { llm = ["triage"] }
    needs! { infer = ["fraud"] }
    needs! { hold = ["stripe-signing"] }
    needs! { publish = ["paid"], http = ["https://api.example.com"] }
}
