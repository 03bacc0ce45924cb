//! What a tenant keeps of what it uploaded.

use std::collections::BTreeMap;

use anyhow::Result;
use wharf_catalog::{ModelObject, ReleaseObject};
use wharf_delivery::ObjectKind;
use wharf_event::TenantName;

use super::Registry;

impl Registry {
    /// Bytes of the components and models of a tenant, those that are being made ready included: of what it has under several names once.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn kept_bytes(&self, tenant: &TenantName) -> Result<u64> {
        let mut kept: BTreeMap<_, _> = self.preparing.sizes(tenant).into_iter().collect();
        for object in self.objects(tenant, ObjectKind::Release).await? {
            if let Some((_, release)) = object.name.release() {
                kept.insert(release, serde_json::from_slice::<ReleaseObject>(&object.document)?.bytes);
            }
        }
        for object in self.objects(tenant, ObjectKind::Model).await? {
            let model: ModelObject = serde_json::from_slice(&object.document)?;
            kept.extend(model.versions.iter().map(|version| (version.digest, version.bytes)));
        }
        Ok(kept.values().sum())
    }
}
