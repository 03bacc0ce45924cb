//! A first instance of a release, before anybody counts on it: under the limits of an attempt, and nothing is called.
//!
//! Invariant: what it does at its start reaches nobody: it meets no event and no value of the tenant, and its effects are dropped.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use wharf_capability::{
    AttemptContext, CommittedValues, KeyPage, NoHttp, NoLlm, NoModels, NoSecrets, ReadFailed, Tape,
};
use wharf_delivery::{DeliveryId, Failure, LimitsDocument, ReadKey};
use wharf_event::{BucketName, Code, EventBuilder, Grants, PluginName, Position, TenantName};

use crate::{
    Prepared, Runtime,
    broken::{broken, too_long},
    cpu::{CpuMeter, Metered},
};

/// The event of an attempt that there is not.
const EVENT: &str = "dev.wharf.probe";

/// No value of anybody.
struct NoValues;

impl CommittedValues for NoValues {
    fn value(&self, _: &TenantName, _: &BucketName, _: &str) -> Result<Option<(Position, Bytes)>, ReadFailed> {
        Ok(None)
    }

    fn keys(&self, _: &TenantName, _: &BucketName, _: Option<&str>, _: usize) -> Result<KeyPage, ReadFailed> {
        Ok(KeyPage::default())
    }

    fn is_taken(&self, _: &TenantName, _: &ReadKey) -> bool {
        false
    }
}

/// A release that is to be tried, and as whose.
pub struct Probe {
    /// The release.
    pub release: Prepared,
    /// Whose plugin it is of.
    pub tenant: TenantName,
    /// Which plugin.
    pub plugin: PluginName,
    /// The plugin's config table.
    pub config: BTreeMap<String, String>,
    /// What an attempt of it may consume.
    pub limits: LimitsDocument,
}

impl Runtime {
    /// Makes an instance of a release and drops it.
    ///
    /// # Errors
    /// What ended it: a trap at its start, or a limit. With `release-unready` or `overloaded` it never began.
    pub async fn probe(&self, probe: Probe) -> Result<(), Failure> {
        let Probe { release, tenant, plugin, config, limits } = probe;
        let event = EventBuilder::new(EVENT, EVENT, EVENT).build();
        let event = event.map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
        let context = AttemptContext {
            tenant,
            plugin,
            occasion: DeliveryId { event: Position::default(), n: 0 }.into(),
            event: event.clone(),
            received: event,
            config: Arc::new(config),
            grants: Arc::new(Grants::default()),
            values: Arc::new(NoValues),
            http: Arc::new(NoHttp),
            llm: Arc::new(NoLlm),
            infer: Arc::new(NoModels),
            secrets: Arc::new(NoSecrets),
            time: "1970-01-01T00:00:00Z".to_owned(),
            clock_ms: None,
            tape: Tape::default(),
        };
        let (mut handler, mut batch, mut transform, mut http) = (None, None, None, None);
        match &release {
            Prepared::Handler(release) => handler = Some(self.code(&release.slot).await?),
            Prepared::Batch(release) => batch = Some(self.code(&release.slot).await?),
            Prepared::Transform(release) => transform = Some(self.code(&release.slot).await?),
            Prepared::Http(release) => http = Some(self.code(&release.slot).await?),
        }
        let meter = CpuMeter::default();
        let mut store = self.store(context, limits, meter.clone());
        let begin = async {
            if let Some(code) = &handler {
                code.begin(&mut store).await?;
            }
            if let Some(code) = &batch {
                code.instantiate_async(&mut store).await?;
            }
            if let Some(code) = &transform {
                code.instantiate_async(&mut store).await?;
            }
            if let Some(code) = &http {
                code.instantiate_async(&mut store).await?;
            }
            Ok::<_, wasmtime::Error>(())
        };
        let wall = Duration::from_millis(u64::from(limits.wall_ms));
        match tokio::time::timeout(wall, Metered::new(begin, meter)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(broken(&error, store.data_mut(), limits)),
            Err(_) => Err(too_long(limits)),
        }
    }
}
