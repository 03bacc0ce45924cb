//! From the author's function to the function with its export.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{ItemFn, spanned::Spanned};

use crate::{declared, form::Form};

const FORM: Form = Form {
    attribute: "wharf::handler",
    kind: "a handler",
    inputs: 2,
    takes: "the event and the context: `(event: Event<T>, cx: &Context) -> Outcome`",
};

/// Expands `#[wharf::handler(attribute)] item`.
pub fn expand(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let section = declared::section(attribute).unwrap_or_else(|error| error.to_compile_error());
    let function = FORM.expand(&TokenStream::new(), item, export);
    quote! { #function #section }
}

/// The function, and beside it the type that exports it.
fn export(function: &ItemFn) -> TokenStream {
    let name = &function.sig.ident;
    // A wrong type is reported where the author can see what is meant.
    let call = quote_spanned! { function.sig.span() => ::wharf::run::attempt(event, delivery, #name) };
    quote! {
        #function

        // Not within a `const _`: two handlers in one component are then two definitions of one name.
        #[doc(hidden)]
        #[allow(dead_code)]
        struct __WharfHandler;

        const _: () = {
            impl ::wharf::run::Guest for __WharfHandler {
                fn handle(
                    event: ::wharf::run::Received,
                    delivery: ::wharf::run::Delivery,
                ) -> ::core::result::Result<(), ::wharf::run::Refusal> {
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
                ::wharf::run::export_handler!(__WharfHandler with_types_in ::wharf::bindings);
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
    fn a_handler_is_kept_and_exported() {
        let text = expanded("", "fn greet(event: Event<String>, cx: &Context) -> Outcome { Ok(()) }");
        assert!(
            text.starts_with("fn greet (event : Event < String > , cx : & Context) -> Outcome { Ok (()) }"),
            "{text}"
        );
        assert!(text.contains(":: wharf :: run :: attempt (event , delivery , greet)"), "{text}");
        assert!(text.contains("export_handler !"), "{text}");
    }

    #[test]
    fn what_its_attribute_says_stands_beside_it() {
        let function = "fn a(event: Event, cx: &Context) -> Outcome { Ok(()) }";
        let text = expanded("on = \"order.created\"", function);
        assert!(text.contains("export_handler !") && text.contains("wharf:handler"), "{text}");
        assert!(!expanded("", function).contains("wharf:handler"));
        let text = expanded("retries = 3", function);
        assert!(text.contains("compile_error") && text.contains("export_handler !"), "{text}");
    }

    #[test]
    fn what_cannot_be_a_handler_is_refused_in_words_and_kept() {
        for (attribute, item, said) in [
            ("", "async fn a(event: Event, cx: &Context) -> Outcome { Ok(()) }", "not `async`"),
            ("", "fn a<T>(event: Event<T>, cx: &Context) -> Outcome { Ok(()) }", "no generic parameters"),
            ("", "fn a(event: Event) -> Outcome { Ok(()) }", "takes the event and the context"),
            ("", "struct A;", "expected `fn`"),
        ] {
            let text = expanded(attribute, item);
            assert!(text.contains("compile_error"), "{item}: {text}");
            assert!(text.contains(said), "{item}: {text}");
            assert!(!text.contains("export_handler"), "{item}: {text}");
        }
    }
}
