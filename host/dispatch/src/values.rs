//! The committed key-value state as one attempt sees it.

use std::{ops::Bound, sync::Arc};

use bytes::Bytes;
use wharf_capability::{CommittedValues, KeyPage, ReadFailed};
use wharf_delivery::{BucketRow, ReadKey, Table, TableError, Tables as _, ValueRow, keys};
use wharf_event::{BucketName, Position, TenantName};

use crate::{contention::Contention, partition::chain, shared::Shared};

/// The state behind one attempt. One that holds contended keys does not queue for others.
pub(crate) struct AttemptValues {
    pub(crate) shared: Arc<Shared>,
    pub(crate) contention: Arc<Contention>,
    pub(crate) holds: bool,
}

fn failed(error: &TableError) -> ReadFailed {
    ReadFailed(chain(error))
}

impl CommittedValues for AttemptValues {
    fn value(
        &self,
        tenant: &TenantName,
        bucket: &BucketName,
        key: &str,
    ) -> Result<Option<(Position, Bytes)>, ReadFailed> {
        let row = ValueRow::get(&self.shared.read().state, &keys::value(tenant, bucket, key));
        Ok(row.map_err(|error| failed(&error))?.map(|row| (row.version, row.value)))
    }

    fn keys(
        &self,
        tenant: &TenantName,
        bucket: &BucketName,
        after: Option<&str>,
        limit: usize,
    ) -> Result<KeyPage, ReadFailed> {
        let prefix = keys::bucket(tenant, bucket);
        let after = after.map(|after| keys::value(tenant, bucket, after));
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let sequenced = self.shared.read();
        let membership = BucketRow::get(&sequenced.state, &prefix).map_err(|error| failed(&error))?;
        let rows = sequenced.state.scan(Table::Values, &prefix, from, limit).map_err(|error| failed(&error))?;
        let name = |(key, _): &(Bytes, Bytes)| String::from_utf8_lossy(key.get(prefix.len()..)?).into_owned().into();
        Ok(KeyPage {
            membership: membership.unwrap_or_default().membership,
            keys: rows.iter().filter_map(name).collect(),
        })
    }

    fn is_taken(&self, tenant: &TenantName, key: &ReadKey) -> bool {
        !self.holds && self.contention.is_held(tenant, key)
    }
}
