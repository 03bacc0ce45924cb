//! From the author's function to the function with its export, for transforms.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{ItemFn, spanned::Spanned};

use crate::form::Form;

const FORM: Form = Form {
    attribute: "wharf::transform",
    kind: "a transform",
    inputs: 1,
    takes: "the event and nothing else, since it is pure: `(event: Event<T>) -> Transformed<U>`",
};

/// Expands `#[wharf::transform(attribute)] item`.
pub fn expand(attribute: TokenStream, item: TokenStream) -> TokenStream {
    FORM.expand(&attribute, item, export)
}

/// The function, and beside it the type that exports it.
fn export(function: &ItemFn) -> TokenStream {
    let name = &function.sig.ident;
    // A wrong type is reported where the author can see what is meant.
    let call = quote_spanned! { function.sig.span() => ::wharf::run::transform(event, #name) };
    quote! {
        #function

        // Of the same name as a handler's: two exports in one component are two definitions of it.
        #[doc(hidden)]
        #[allow(dead_code)]
        struct __WharfHandler;

        const _: () = {
            impl ::wharf::run::TransformGuest for __WharfHandler {
                fn transform(
                    event: ::wharf::run::Received,
                ) -> ::core::result::Result<::core::option::Option<::wharf::run::Received>, ::wharf::run::Refusal> {
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
                ::wharf::run::export_transform!(__WharfHandler with_types_in ::wharf::transform_bindings);
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
    fn a_transform_is_kept_and_exported() {
        let text = expanded("", "fn keep(event: Event<String>) -> Transformed<String> { Ok(Some(event)) }");
        assert!(
            text.starts_with("fn keep (event : Event < String >) -> Transformed < String > { Ok (Some (event)) }"),
            "{text}"
        );
        assert!(text.contains(":: wharf :: run :: transform (event , keep)"), "{text}");
        assert!(text.contains("export_transform !"), "{text}");
    }

    #[test]
    fn what_cannot_be_a_transform_is_refused_in_words_and_kept() {
        for (attribute, item, said) in [
            ("pure", "fn a(event: Event) -> Transformed { Ok(None) }", "takes no arguments"),
            ("", "async fn a(event: Event) -> Transformed { Ok(None) }", "not `async`"),
            ("", "fn a<T>(event: Event<T>) -> Transformed<T> { Ok(None) }", "no generic parameters"),
            ("", "fn a(event: Event, cx: &Context) -> Transformed { Ok(None) }", "nothing else, since it is pure"),
            ("", "struct A;", "expected `fn`"),
        ] {
            let text = expanded(attribute, item);
            assert!(text.contains("compile_error"), "{item}: {text}");
            assert!(text.contains(said), "{item}: {text}");
            assert!(!text.contains("export_transform"), "{item}: {text}");
        }
    }
}
