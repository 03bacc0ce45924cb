//! Deleting a tenant: it is closed by one record, and what there is of it goes page by page behind that.
//!
//! Invariant: whatever ends the host in between, the next one goes on where it was: the tenant's object says what is being done.

use tokio::task::JoinHandle;
use wharf_delivery::{
    Answer, EraseRequest, Expected, Object, ObjectFate, ObjectKind, ObjectName, ObjectWish, Request, TenantLife,
    TenantObject,
};
use wharf_event::{Position, TenantName};

use crate::{
    configuring::ChangeError,
    dispatcher::Dispatcher,
    limits::CARRY_PAUSE,
    partition::{AskError, chain},
};

impl Dispatcher {
    /// The tenants that are control objects, those that are deleted among them.
    ///
    /// # Errors
    /// When the log failed, or the state cannot be read.
    pub async fn tenant_objects(&self) -> Result<Vec<(TenantName, TenantObject)>, AskError> {
        let read = self.read(TenantObject::all).await?;
        read.map_err(|error| AskError::Failed(chain(&error)))
    }

    /// Deletes a tenant that is a control object: nobody meets it any more when this returns. What there is of it goes in a task of its
    /// own, which says in the end whether all of it went.
    ///
    /// # Errors
    /// When it is not what it was taken to be, stands in the configuration file, or the log failed.
    pub async fn delete_tenant(
        &self,
        tenant: &TenantName,
        expected: Expected,
    ) -> Result<JoinHandle<bool>, ChangeError> {
        let changed = self.change(tenant, vec![lived(tenant, TenantLife::Erasing, 0, expected)?]).await?;
        let closed_at = changed.objects.first().copied().and_then(ObjectFate::version).ok_or(AskError::Stopping)?;
        Ok(self.erase(tenant.clone(), closed_at))
    }

    /// Goes on with what was being deleted when the host ended, and forgets those who are gone and of whom the log has nothing left.
    pub(crate) async fn resume_erasing(&self) -> Result<(), ChangeError> {
        let first_k = self.archive().first_k();
        for (tenant, object) in self.tenant_objects().await? {
            let name = ObjectName::from(&tenant);
            let held = self.read(|state| Object::get(state, &tenant, ObjectKind::Tenant, &name)).await?;
            let Some(Object { version, .. }) = held.map_err(|error| AskError::Failed(chain(&error)))? else { continue };
            match object.life {
                TenantLife::Active => {}
                TenantLife::Erasing => drop(self.erase(tenant, version)),
                TenantLife::Gone if object.since_k < first_k => {
                    let expected = Expected::Version(version);
                    let wish = ObjectWish { kind: ObjectKind::Tenant, name, document: None, expected };
                    self.change(&tenant, vec![wish]).await?;
                }
                TenantLife::Gone => {}
            }
        }
        Ok(())
    }

    fn erase(&self, tenant: TenantName, closed_at: Position) -> JoinHandle<bool> {
        let this = self.clone();
        tokio::spawn(async move {
            let erased = this.erased(&tenant, closed_at).await;
            match &erased {
                Ok(pages) => tracing::info!(%tenant, pages, "the tenant is deleted"),
                // The next start goes on.
                Err(error) => tracing::warn!(%tenant, "the tenant is not deleted to the end: {}", chain(error)),
            }
            erased.is_ok()
        })
    }

    /// Erases what there is of a tenant that was closed by a record, and says so. There may be two at it: who comes last finds it said.
    async fn erased(&self, tenant: &TenantName, closed_at: Position) -> Result<u64, ChangeError> {
        let (mut pages, mut behind, mut nothing) = (0, None, true);
        loop {
            while self.attempts.shared.read().state.is_full() {
                tokio::time::sleep(CARRY_PAUSE).await;
            }
            let request = EraseRequest { tenant: tenant.clone(), closed_at, rows_max: self.erased_rows_max, behind };
            match self.attempts.partition.ask(Request::Erase(request)).await? {
                Answer::Erased { behind: next, left } => {
                    pages += u64::from(left);
                    nothing &= !left;
                    behind = next;
                }
                _ => return Err(AskError::Stopping.into()),
            }
            // What came in behind the pages is found by going through all of it again, until there is nothing.
            if behind.is_none() {
                if nothing {
                    break;
                }
                nothing = true;
            }
        }
        self.attempts.charges.forget(tenant);
        // All that it was lies in frames that are durable, so whoever has its name next begins behind them.
        let since_k = self.archive().last_k();
        match self.change(tenant, vec![lived(tenant, TenantLife::Gone, since_k, Expected::Version(closed_at))?]).await {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(pages),
        }
    }
}

fn lived(tenant: &TenantName, life: TenantLife, since_k: u64, expected: Expected) -> Result<ObjectWish, AskError> {
    let object = TenantObject { since_k, life, ..TenantObject::default() };
    let document = serde_json::to_vec(&object).map_err(|error| AskError::Failed(error.to_string()))?;
    let name = ObjectName::from(tenant);
    Ok(ObjectWish { kind: ObjectKind::Tenant, name, document: Some(document.into()), expected })
}
