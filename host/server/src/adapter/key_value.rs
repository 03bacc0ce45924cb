//! Port: reading key-value buckets, as committed.

use bytes::Bytes;
use wharf_delivery::{BucketRow, Table, Tables as _, ValueRow, keys};
use wharf_event::{BucketName, Code, TenantName};
use wharf_gateway::{
    KeyValue, Refusal,
    view::{BucketView, KeyView, ValueView},
};

use super::{
    HostAdapter,
    page::{self, Room},
    unreadable, was_read,
};

impl KeyValue for HostAdapter {
    async fn buckets(
        &self,
        tenant: &TenantName,
        after: Option<BucketName>,
        limit: u32,
    ) -> Result<Vec<BucketView>, Refusal> {
        self.known(tenant)?;
        let prefix = keys::tenant(tenant);
        let mut after = after.map(|after| Bytes::from(keys::bucket(tenant, &after)));
        let (limit, mut buckets) = (limit as usize, Vec::new());
        // Buckets without keys are none of the page: only where no row is left it is the end.
        while buckets.len() < limit {
            let room = Room::new(limit - buckets.len());
            let rows = page::rows(&self.dispatcher, Table::Buckets, &prefix, after.take(), room).await?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            for (key, row) in rows {
                let row = BucketRow::from_bytes(&row).map_err(|error| unreadable(&error))?;
                let name = key.get(prefix.len()..).and_then(|name| name.strip_suffix(b"\0"));
                let name = name.and_then(|name| std::str::from_utf8(name).ok()?.parse().ok());
                buckets.extend(name.filter(|_| row.keys > 0).map(|bucket| BucketView { bucket, keys: row.keys }));
            }
        }
        Ok(buckets)
    }

    async fn list(
        &self,
        tenant: &TenantName,
        bucket: &BucketName,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<KeyView>, Refusal> {
        self.known(tenant)?;
        let prefix = keys::bucket(tenant, bucket);
        let after = after.map(|after| keys::value(tenant, bucket, &after).into());
        self.bucket_known(tenant, bucket).await?;
        let rows = page::rows(&self.dispatcher, Table::Values, &prefix, after, Room::new(limit as usize)).await?;
        rows.iter().map(|(key, row)| view(key.get(prefix.len()..).unwrap_or_default(), row)).collect()
    }

    async fn get(&self, tenant: &TenantName, bucket: &BucketName, key: &str) -> Result<KeyView, Refusal> {
        self.known(tenant)?;
        let place = keys::value(tenant, bucket, key);
        if let Some(row) = was_read(self.dispatcher.read(|state| state.get(Table::Values, &place)).await)? {
            return view(key.as_bytes(), &row);
        }
        self.bucket_known(tenant, bucket).await?;
        Err(Refusal::new(Code::KeyUnknown, format!("bucket `{bucket}` has no key `{key}`")))
    }
}

impl HostAdapter {
    async fn bucket_known(&self, tenant: &TenantName, bucket: &BucketName) -> Result<(), Refusal> {
        let row = self.dispatcher.read(|state| BucketRow::get(state, &keys::bucket(tenant, bucket))).await;
        let unknown = || Refusal::new(Code::BucketUnknown, format!("no key was ever written to bucket `{bucket}`"));
        was_read(row)?.map(|_| ()).ok_or_else(unknown)
    }
}

fn view(key: &[u8], row: &Bytes) -> Result<KeyView, Refusal> {
    let row = ValueRow::from_bytes(row).map_err(|error| unreadable(&error))?;
    Ok(KeyView {
        key: String::from_utf8_lossy(key).into_owned(),
        value: ValueView::of(&row.value),
        version: row.version,
    })
}
