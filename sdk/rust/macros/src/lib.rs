//! The attribute macro of the crate `wharf`. Use it from there: `#[wharf::handler]`.
//!
//! Invariant: the author's function stays as it is; the export is added beside it.
//!
//! It does not know the contract: names and versions are in the crate `wharf`, to which the export points.

mod handler;

use proc_macro::TokenStream;

/// Makes a function the handler that this component exports.
///
/// The function takes the event and the context and returns an `Outcome`. Its payload type is any that implements
/// `serde::Deserialize`, or `Vec<u8>` for the bytes. A component has one handler.
///
/// ```ignore
/// #[wharf::handler]
/// fn greet(event: wharf::Event<String>, cx: &wharf::Context) -> wharf::Outcome {
///     cx.info(format_args!("hello, {}", event.data));
///     Ok(())
/// }
/// ```
///
/// On other targets than `wasm32` nothing is exported, so that `cargo test` can run the plugin's tests.
#[proc_macro_attribute]
pub fn handler(attribute: TokenStream, item: TokenStream) -> TokenStream {
    handler::expand(attribute.into(), item.into()).into()
}
