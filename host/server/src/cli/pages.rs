//! Listing over pages: the host cuts them by rows and by bytes, so only an empty page is the last.

use serde::de::DeserializeOwned;

use super::error::CommandError;
use crate::client::{Client, Resource};

/// Rows of a page where all are asked for: as many as a host gives at a time.
pub const PAGE: u32 = 1_000;

/// All rows of a list whose cursor is the name of a row.
pub async fn whole<T: DeserializeOwned>(
    client: &Client,
    list: Resource,
    name_of: impl Fn(&T) -> String,
) -> Result<Vec<T>, CommandError> {
    let page = |rows: u32, after| list.clone().ask("limit", rows.min(PAGE)).ask_some("after", after);
    gather(client, u32::MAX, None, page, name_of).await
}

/// At most `limit` rows from the page at `cursor` on; `page` names one, `cursor_of` says where the next begins.
pub async fn gather<T: DeserializeOwned>(
    client: &Client,
    limit: u32,
    mut cursor: Option<String>,
    page: impl Fn(u32, Option<String>) -> Resource,
    cursor_of: impl Fn(&T) -> String,
) -> Result<Vec<T>, CommandError> {
    let mut rows: Vec<T> = Vec::new();
    loop {
        let left = limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        if left == 0 {
            return Ok(rows);
        }
        let more: Vec<T> = client.get(&page(left, cursor)).await?;
        let Some(last) = more.last() else { return Ok(rows) };
        cursor = Some(cursor_of(last));
        rows.extend(more);
    }
}
