//! What a tenant may keep of plugins, components and models.

use wharf_event::{Code, TenantName};
use wharf_gateway::Refusal;

use super::HostAdapter;

/// Plugins that a tenant makes by the API.
const PLUGINS_PER_TENANT_MAX: usize = 1_000;

impl HostAdapter {
    /// Whether a tenant may have one plugin more. Of two that come at once both may be the last.
    pub(super) async fn may_have_more_plugins(&self, tenant: &TenantName) -> Result<(), Refusal> {
        let count = self.registry.plugins(tenant).await.map_err(|error| unread(tenant, &error))?;
        if count < PLUGINS_PER_TENANT_MAX {
            return Ok(());
        }
        let detail = format!("the tenant has {PLUGINS_PER_TENANT_MAX} plugins already");
        Err(Refusal::new(Code::PluginsTooMany, detail))
    }

    /// Bytes of the components and models that a tenant keeps.
    pub(super) async fn kept_of(&self, tenant: &TenantName) -> Result<u64, Refusal> {
        self.registry.kept_bytes(tenant).await.map_err(|error| unread(tenant, &error))
    }

    /// Whether a tenant may send more to be kept. It is asked before the bytes come, so the last of them may be beyond what it may keep.
    pub(super) async fn may_keep_more(&self, tenant: &TenantName) -> Result<(), Refusal> {
        let (kept, most) =
            (self.kept_of(tenant).await?, self.dispatcher.rules().settings(tenant).quotas.upload_bytes());
        if kept < most {
            return Ok(());
        }
        let detail = format!("the tenant keeps {kept} bytes of components and models, and may keep {most}");
        Err(Refusal::new(Code::QuotaUploads, detail))
    }
}

fn unread(tenant: &TenantName, error: &anyhow::Error) -> Refusal {
    tracing::error!(%tenant, "what a tenant keeps cannot be read: {error:#}");
    Refusal::new(Code::Internal, "what the tenant keeps cannot be read")
}
