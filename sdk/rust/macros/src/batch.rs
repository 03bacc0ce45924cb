//! From the author's function over many events to the function with its export.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{ItemFn, spanned::Spanned};

use crate::form::Form;

const FORM: Form = Form {
    attribute: "wharf::batch_handler",
    kind: "a batch handler",
    inputs: 2,
    takes: "the events and the context: `(batch: Vec<Item<T>>, cx: &Context) -> Outcomes`",
};

/// Expands `#[wharf::batch_handler(attribute)] item`.
pub fn expand(attribute: TokenStream, item: TokenStream) -> TokenStream {
    FORM.expand(&attribute, item, export)
}

/// The function, and beside it the type that exports it.
fn export(function: &ItemFn) -> TokenStream {
    let name = &function.sig.ident;
    // A wrong type is reported where the author can see what is meant.
    let call = quote_spanned! { function.sig.span() => ::wharf::run::batch(batch, #name) };
    quote! {
        #function

        // Not within a `const _`: two handlers in one component are then two definitions of one name.
        #[doc(hidden)]
        #[allow(dead_code)]
        struct __WharfHandler;

        const _: () = {
            impl ::wharf::run::BatchGuest for __WharfHandler {
                fn handle_batch(
                    batch: ::std::vec::Vec<::wharf::run::ReceivedItem>,
                ) -> ::core::result::Result<
                    ::std::vec::Vec<::core::result::Result<(), ::wharf::run::Refusal>>,
                    ::wharf::run::Refusal,
                > {
                    #call
                }
            }

            // Where nothing is exported the author's function is used all the same.
            #[cfg(not(target_arch = "wasm32"))]
            const _: () = { let _ = #name; };

            // The export is an `unsafe` attribute by nature; it is this macro's and not the author's.
            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code)]
            mod export {
                use super::__WharfHandler;
                ::wharf::run::export_batch_handler!(__WharfHandler with_types_in ::wharf::batch_bindings);
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(attribute: &str, item: &str) -> String {
        expand(attribute.parse().unwrap(), item.parse().unwrap()).to_string()
    }

    #[test]
    fn a_batch_handler_is_kept_and_exported() {
        let text = expanded("", "fn sum(batch: Vec<Item<u32>>, cx: &Context) -> Outcomes { Ok(Vec::new()) }");
        let plain = text.replace(' ', "");
        assert!(plain.starts_with("fnsum(batch:Vec<Item<u32>>,cx:&Context)->Outcomes"), "{text}");
        assert!(text.contains(":: wharf :: run :: batch (batch , sum)"), "{text}");
        assert!(text.contains("export_batch_handler !"), "{text}");
    }

    #[test]
    fn what_cannot_be_a_batch_handler_is_refused_in_words_and_kept() {
        for (attribute, item, said) in [
            ("size = 3", "fn a(batch: Vec<Item>, cx: &Context) -> Outcomes { Ok(Vec::new()) }", "takes no arguments"),
            ("", "async fn a(batch: Vec<Item>, cx: &Context) -> Outcomes { Ok(Vec::new()) }", "not `async`"),
            ("", "fn a<T>(batch: Vec<Item<T>>, cx: &Context) -> Outcomes { Ok(Vec::new()) }", "no generic parameters"),
            ("", "fn a(batch: Vec<Item>) -> Outcomes { Ok(Vec::new()) }", "takes the events and the context"),
            ("", "struct A;", "expected `fn`"),
        ] {
            let text = expanded(attribute, item);
            assert!(text.contains("compile_error") && text.contains(said), "{item}: {text}");
            assert!(!text.contains("export_batch_handler"), "{item}: {text}");
        }
    }
}
