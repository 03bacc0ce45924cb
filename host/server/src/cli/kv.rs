//! `wharf kv`: what plugins have stored, as committed.
//!
//! Invariant: `get` writes a value byte for byte, whatever it is, so that it can be piped on; in tables values are made
//! harmless and cut. Nothing is written: keys belong to plugins.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use wharf_gateway::view::{BucketView, KeyView, ValueView};

use super::{
    args::{Global, KvCommand},
    error::{CommandError, Exit, talk},
    output::Output,
    pages,
    session::Session,
    words::{clipped, printable},
};

/// Lists or reads.
pub async fn run(command: KvCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    let kv = session.own().at("kv");
    match command {
        KvCommand::Ls { bucket: None, .. } => {
            let buckets = pages::whole(&session.client, kv, |it: &BucketView| it.bucket.to_string()).await?;
            if out.is_json() {
                out.document(&buckets)?;
            } else {
                let rows = buckets.iter().map(|it| [it.bucket.to_string(), it.keys.to_string()]).collect();
                out.table(["BUCKET", "KEYS"], rows)?;
            }
        }
        KvCommand::Ls { bucket: Some(bucket), after, limit } => {
            let of = kv.at(bucket);
            let page = |rows, after| of.clone().ask("limit", rows).ask_some("after", after);
            let keys = pages::gather(&session.client, limit, after, page, |key: &KeyView| key.key.clone()).await?;
            if out.is_json() {
                out.document(&keys)?;
            } else {
                list(&keys, limit, out)?;
            }
        }
        KvCommand::Get { bucket, key } => {
            let found: KeyView = session.client.get(&kv.at(bucket).at(key)).await?;
            if out.is_json() {
                out.document(&found)?;
            } else {
                out.value(&value(&found.value)?)?;
            }
        }
    }
    Ok(Exit::Success)
}

fn list(keys: &[KeyView], limit: u32, out: &mut Output) -> Result<(), CommandError> {
    let row = |it: &KeyView| {
        let value = match &it.value {
            ValueView::Text(text) => clipped(text),
            ValueView::Base64(text) => format!("base64:{}", clipped(text)),
        };
        [printable(&it.key).into_owned(), value, it.version.to_string()]
    };
    out.table(["KEY", "VALUE", "VERSION"], keys.iter().map(row).collect())?;
    if let Some(last) = keys.last().filter(|_| u32::try_from(keys.len()).is_ok_and(|rows| rows == limit)) {
        talk(&format!("more: --after '{}'", printable(&last.key)));
    }
    Ok(())
}

fn value(view: &ValueView) -> Result<Vec<u8>, CommandError> {
    match view {
        ValueView::Text(text) => Ok(text.clone().into_bytes()),
        ValueView::Base64(text) => BASE64_STANDARD.decode(text).map_err(|_| CommandError::ValueDamaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_byte_for_byte() {
        for bytes in [&b""[..], b"5", b"\xff\x00\n", "é".as_bytes()] {
            assert_eq!(value(&ValueView::of(bytes)).unwrap(), bytes);
        }
        assert!(matches!(value(&ValueView::Base64("!".to_owned())), Err(CommandError::ValueDamaged)));
    }
}
