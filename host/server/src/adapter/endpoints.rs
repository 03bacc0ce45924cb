//! Port: requests that a tenant's plugins answer.

use http::Request;
use wharf_dispatch::Unserved as NotServed;
use wharf_event::TenantName;
use wharf_gateway::{Endpoints, Pieces, Refusal, Served, Unserved};

use super::HostAdapter;

impl Endpoints for HostAdapter {
    async fn serve(&self, tenant: &TenantName, request: Request<Pieces>) -> Result<Served, Unserved> {
        match self.dispatcher.serve(tenant, request).await {
            Ok(served) => Ok(Served { response: served.response, id: served.id }),
            Err(NotServed { code, detail, allow, id, after_s }) => {
                let refusal = Refusal { retry_after_s: after_s, ..Refusal::new(code, detail) };
                Err(Unserved { refusal, allow, id })
            }
        }
    }
}
