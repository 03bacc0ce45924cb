//! What all of the author's functions have in common: a form, and an export beside the function.
//!
//! Invariant: on a mistake the author's function is kept beside the error, so that one mistake gives one message.
//!
//! It does not check types: a wrong one is the compiler's to report, at the function's name.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, ItemFn, Result};

/// The form of one kind of function.
pub struct Form {
    /// The attribute as authors write it.
    pub attribute: &'static str,
    /// What it is, such as `a handler`.
    pub kind: &'static str,
    /// How many arguments it has.
    pub inputs: usize,
    /// What those are.
    pub takes: &'static str,
}

impl Form {
    /// Expands the attribute on an item: to what `export` makes of a function that has this form.
    pub fn expand(
        &self,
        attribute: &TokenStream,
        item: TokenStream,
        export: fn(&ItemFn) -> TokenStream,
    ) -> TokenStream {
        let kept = item.clone();
        match syn::parse2(item).and_then(|function| self.checked(attribute, function)) {
            Ok(function) => export(&function),
            Err(error) => {
                let error = error.to_compile_error();
                quote! { #kept #error }
            }
        }
    }

    /// The function, if it has this form.
    fn checked(&self, attribute: &TokenStream, function: ItemFn) -> Result<ItemFn> {
        let (signature, kind) = (&function.sig, self.kind);
        let wrong = |at: &dyn ToTokens, what: String| Err(Error::new_spanned(at.to_token_stream(), what));
        if !attribute.is_empty() {
            return wrong(attribute, format!("`#[{}]` takes no arguments", self.attribute));
        }
        if let Some(asynchronous) = &signature.asyncness {
            return wrong(asynchronous, format!("{kind} is not `async`: an attempt is one call"));
        }
        if !signature.generics.params.is_empty() {
            return wrong(&signature.generics, format!("{kind} has no generic parameters: its payload is one type"));
        }
        if signature.inputs.len() != self.inputs {
            return wrong(signature, format!("{kind} takes {}", self.takes));
        }
        Ok(function)
    }
}
