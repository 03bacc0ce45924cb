//! The attribute macros of the crate `wharf`. Use them from there: `#[wharf::handler]`, `#[wharf::batch_handler]`,
//! `#[wharf::transform]`.
//!
//! Invariant: the author's function stays as it is; the export is added beside it.
//!
//! It does not know the contract: names and versions are in the crate `wharf`, to which the export points.

mod batch;
mod declared;
mod form;
mod handler;
mod transform;

use proc_macro::TokenStream;

/// Makes a function the handler that this component exports.
///
/// The function takes the event and the context and returns an `Outcome`. Its payload type is any that implements
/// `serde::Deserialize`, or `Vec<u8>` for the bytes. A component has one handler.
///
/// What the attribute says travels in the component, and `wharf deploy FILE.wasm` makes the plugin's rule of it; a rule of a `wharf.toml` goes by
/// its own words. `on` has event types, of which one that ends in `*` stands for all that begin so; `order_by` is a path into the event, and `retry` the policy, both as in a
/// rule's target. All of it may be left out.
///
/// ```ignore
/// #[wharf::handler(on = ["order.created", "refund.*"], order_by = "$.data.customer", retry(attempts = 5, first = "2s"))]
/// fn charge(event: wharf::Event<Order>, cx: &wharf::Context) -> wharf::Outcome {
///     Ok(())
/// }
/// ```
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

/// Makes a function the batch handler that this component exports: it consumes a queue.
///
/// The function takes the events and the context and returns `Outcomes`: an outcome for each event, in their order, or a
/// `Failure` of all of them. What it published and stored is kept only if every event ended `Ok`; if some failed, the others
/// are handed over again at once. An event whose payload does not fit is rejected, and the function does not see it. A
/// component has one batch handler, and no handler beside it.
///
/// ```ignore
/// #[wharf::batch_handler]
/// fn sum(batch: Vec<wharf::Item<i64>>, cx: &wharf::Context) -> wharf::Outcomes {
///     cx.kv().add("sum", batch.iter().map(|item| item.event.data).sum())?;
///     Ok(batch.iter().map(|_| Ok(())).collect())
/// }
/// ```
///
/// On other targets than `wasm32` nothing is exported, so that `cargo test` can run the plugin's tests.
#[proc_macro_attribute]
pub fn batch_handler(attribute: TokenStream, item: TokenStream) -> TokenStream {
    batch::expand(attribute.into(), item.into()).into()
}

/// Makes a function the transform that this component exports.
///
/// The function takes an event and returns `Transformed`: the event that goes on to the rule's next transform or to its
/// target, `None` to leave this event out, or a `Failure`. Its payload types are those of a handler on the way in, and on the
/// way out any that implements `serde::Serialize`, `Vec<u8>` for the bytes, or `Unchanged`. A component has one transform, and
/// no handler beside it.
///
/// ```ignore
/// #[wharf::transform]
/// fn only_large(event: wharf::Event<u64>) -> wharf::Transformed<wharf::Unchanged> {
///     let is_large = event.data > 1_000;
///     Ok(is_large.then(|| event.with_data(wharf::Unchanged)))
/// }
/// ```
///
/// On other targets than `wasm32` nothing is exported, so that `cargo test` can run the plugin's tests.
#[proc_macro_attribute]
pub fn transform(attribute: TokenStream, item: TokenStream) -> TokenStream {
    transform::expand(attribute.into(), item.into()).into()
}
