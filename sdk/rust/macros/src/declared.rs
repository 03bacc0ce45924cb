//! What a handler's attribute says: which events it is for and how their deliveries are made, as the JSON of a custom section.
//!
//! Invariant: what is written is JSON that the host understands in its form; whether a path or a time is one, the host says when a rule
//! is made of it.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    Error, Expr, ExprArray, ExprLit, Lit, LitStr, Meta, MetaNameValue, Result, Token, parse::Parser,
    punctuated::Punctuated,
};

const MEMBERS: &str = "a handler's attribute has `on`, `order_by` and `retry(attempts, first, max, age)`";

/// The section of an attribute's arguments; nothing where there are none.
pub fn section(attribute: TokenStream) -> Result<TokenStream> {
    let members = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(attribute)?;
    if members.is_empty() {
        return Ok(TokenStream::new());
    }
    let text = format!("{{{}}}", each(members.iter().map(member))?);
    let (len, bytes) = (text.len(), Literal::byte_string(text.as_bytes()));
    Ok(quote! {
        const _: () = {
            #[used]
            #[cfg_attr(target_arch = "wasm32", unsafe(link_section = "wharf:handler"))]
            static DECLARED: [u8; #len] = *#bytes;
        };
    })
}

fn member(meta: &Meta) -> Result<(String, String)> {
    let name = meta.path().get_ident().map(ToString::to_string).unwrap_or_default();
    let value = match (name.as_str(), meta) {
        ("on", Meta::NameValue(MetaNameValue { value: Expr::Array(ExprArray { elems, .. }), .. })) => {
            let types: Result<Vec<_>> = elems.iter().map(text).collect();
            format!("[{}]", types?.join(","))
        }
        ("on", Meta::NameValue(it)) => format!("[{}]", text(&it.value)?),
        ("order_by", Meta::NameValue(it)) => text(&it.value)?,
        ("retry", Meta::List(list)) => {
            let members = list.parse_args_with(Punctuated::<MetaNameValue, Token![,]>::parse_terminated)?;
            format!("{{{}}}", each(members.iter().map(of_retry))?)
        }
        _ => return wrong(meta, MEMBERS),
    };
    Ok((name, value))
}

fn of_retry(it: &MetaNameValue) -> Result<(String, String)> {
    let name = it.path.get_ident().map(ToString::to_string).unwrap_or_default();
    let value = match (name.as_str(), &it.value) {
        ("attempts", Expr::Lit(ExprLit { lit: Lit::Int(number), .. })) => number.base10_parse::<u32>()?.to_string(),
        ("first" | "max" | "age", value) => text(value)?,
        _ => return wrong(it, MEMBERS),
    };
    Ok((name, value))
}

/// Members as JSON, none of them twice.
fn each(members: impl Iterator<Item = Result<(String, String)>>) -> Result<String> {
    let mut all: Vec<(String, String)> = Vec::new();
    for member in members {
        let (name, value) = member?;
        if all.iter().any(|(there, _)| *there == name) {
            return Err(Error::new(proc_macro2::Span::call_site(), format!("`{name}` is said twice")));
        }
        all.push((name, value));
    }
    let lines: Vec<_> = all.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    Ok(lines.join(","))
}

/// A string literal as JSON.
fn text(value: &Expr) -> Result<String> {
    let Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) = value else {
        return wrong(value, "a text is expected here");
    };
    let said = LitStr::value(literal);
    if said.is_empty() || said.contains(|c: char| c.is_control() || c == '"' || c == '\\') {
        return wrong(literal, "it is not empty and has no quotes, backslashes and control characters");
    }
    Ok(format!("\"{said}\""))
}

fn wrong<T>(at: &impl ToTokens, what: &str) -> Result<T> {
    Err(Error::new_spanned(at, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(attribute: &str) -> String {
        section(attribute.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn what_is_declared_is_json_in_a_section() {
        for (attribute, json) in [
            (r#"on = "order.created""#, r#"{\"on\":[\"order.created\"]}"#),
            (r#"on = ["a", "b.*"], order_by = "$.data.n""#, r#"{\"on\":[\"a\",\"b.*\"],\"order_by\":\"$.data.n\"}"#),
            (
                r#"on = "a", retry(attempts = 5, first = "2s"),"#,
                r#"{\"on\":[\"a\"],\"retry\":{\"attempts\":5,\"first\":\"2s\"}}"#,
            ),
        ] {
            let text = written(attribute);
            assert!(text.contains(json) && text.contains("wharf:handler"), "{attribute}: {text}");
        }
        assert_eq!(written(""), "");
    }

    #[test]
    fn what_is_not_understood_is_refused_in_words() {
        for (attribute, said) in [
            ("retries = 3", "has `on`, `order_by` and `retry"),
            ("on = 3", "a text is expected"),
            (r#"on = """#, "not empty"),
            (r#"on = "a\"b""#, "no quotes"),
            (r#"on = "a", on = "b""#, "`on` is said twice"),
            (r#"retry(forever = true)"#, "has `on`, `order_by` and `retry"),
            (r#"retry(attempts = -1)"#, "invalid digit"),
        ] {
            let error = section(attribute.parse().unwrap()).unwrap_err().to_string();
            assert!(error.contains(said), "{attribute}: {error}");
        }
    }
}
