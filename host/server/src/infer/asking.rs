//! From a question of a plugin to the answer of a model of its tenant.
//!
//! Invariant: a tenant's plugins reach models of that tenant only. Which version answers is looked up for each question, and told with the answer.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use wharf_dispatch::{InferCall, InferFailed, InferSpent, Inferred};
use wharf_event::{Code, Digest, ModelName, TenantName};
use wharf_infer::{Description, Failed, Pool, Port, Ran, Wanted};

use super::{InferMeters, worker::Workers};

/// A model that the configuration file names.
#[derive(Clone)]
pub struct OwnModel {
    /// Which bytes they are.
    pub digest: Digest,
    /// Its file: at most 64 MiB, held as long as the configuration is in force, since the file itself may change.
    pub bytes: Arc<[u8]>,
    /// What it takes and gives.
    pub description: Description,
}

impl fmt::Debug for OwnModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnModel({}, {} bytes)", self.digest, self.bytes.len())
    }
}

/// The models of all tenants.
pub type OwnModels = BTreeMap<TenantName, BTreeMap<ModelName, OwnModel>>;

/// Asks models.
pub struct Asks {
    pool: Pool,
    of_file: RwLock<Arc<OwnModels>>,
    meters: InferMeters,
}

impl Asks {
    /// Of no models yet.
    pub fn new() -> Self {
        Self { pool: Pool::new(Workers::new()), of_file: RwLock::default(), meters: InferMeters::default() }
    }

    /// The models of the configuration file from now on. What is asked already is answered by what was there.
    pub fn set(&self, models: OwnModels) {
        let told = |ports: &[Port]| ports.iter().map(Port::to_string).collect::<Vec<_>>().join(", ");
        for (tenant, model, own) in
            models.iter().flat_map(|(of, all)| all.iter().map(move |(name, own)| (of, name, own)))
        {
            let (takes, gives) = (told(&own.description.inputs), told(&own.description.outputs));
            tracing::debug!(%tenant, %model, version = own.digest.short(), takes, gives, "a model can be asked");
        }
        *self.of_file.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(models);
    }

    /// What was counted.
    pub fn meters(&self) -> &InferMeters {
        &self.meters
    }

    /// Asks one.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask(&self, call: InferCall) -> Result<Inferred, InferFailed> {
        let InferCall { tenant, plugin, occasion, model, inputs, timeout } = call;
        let of_file = Arc::clone(&self.of_file.read().unwrap_or_else(PoisonError::into_inner));
        let found = of_file.get(&tenant).and_then(|models| models.get(&model));
        let Some(OwnModel { digest, bytes, .. }) = found else {
            let why = format!("there is no model `{model}`: add a table `models.{model}` to the tenant");
            return Err(InferFailed::Denied(Code::ModelUnknown, why));
        };
        let (version, bytes) = (*digest, Arc::clone(bytes));
        let wanted = Wanted { tenant: tenant.to_string(), model: version.hex(), timeout };
        let Ran { outputs, took, waited } = self.pool.run(wanted, move || Ok(bytes.to_vec()), inputs).await;
        let error = outputs.as_ref().err().map(Failed::name);
        self.meters.count((&tenant, &model, &version), (took, waited, error));
        tracing::debug!(
            %tenant, %plugin, %occasion, %model, version = version.short(), took_us = took.as_micros(),
            waited_us = waited.as_micros(), error, "a model was asked"
        );
        let spent = InferSpent { version: Some(version), took, waited };
        match outputs {
            Ok(outputs) => Ok(Inferred { outputs, version, spent }),
            Err(failed) => Err(InferFailed::Asked(failed, spent)),
        }
    }
}
