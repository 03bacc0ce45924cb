//! From a question of a plugin to the answer of a model of its tenant.
//!
//! Invariant: a tenant's plugins reach models of that tenant only. Which version answers is looked up for each question, and told with the answer.

use std::{
    collections::{BTreeMap, HashMap},
    fmt, io, mem,
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use wharf_catalog::{Channels, ModelBatch, ModelObject, Scales, Seen};
use wharf_delivery::Object;
use wharf_dispatch::{Drifted, InferCall, InferFailed, InferSpent, Inferred, Teller, Trials};
use wharf_event::{ChannelName, Code, Digest, ModelName, Position, TenantName};
use wharf_infer::{Batch, Description, Failed, Pool, Port, Ran, Tensor, Wanted};
use wharf_runtime::ComponentFiles as _;

use super::{
    InferMeters,
    drift::{Drifts, WatchedOf, look},
    shadow::{Open, SHADOW, Shadows},
    worker::Workers,
};
use crate::{config::EndpointConfig, registry::Components};

/// Models of the API whose channels and baselines are kept as they were read: at most 200 KiB each, so 100 MiB. Beyond that all are read anew.
const READ_MAX: usize = 500;

/// How long a question in the shadow takes at most: on a small machine its tenant has no other worker meanwhile.
const SHADOW_TIMEOUT: Duration = Duration::from_secs(5);

/// Of a model which version of its record was read, and what that says.
type Read = HashMap<(TenantName, ModelName), (Position, Recorded)>;

/// What a question needs of a model's record.
#[derive(Clone)]
struct Recorded {
    channels: Option<Arc<Channels>>,
    scales: Option<Arc<Scales>>,
    batch: Option<Batch>,
    /// Versions whose questions are joined.
    joined: Arc<[Digest]>,
}

/// What answers a question.
struct Answering {
    version: Digest,
    read: Reader,
    scales: Option<Arc<Scales>>,
    batch: Option<Batch>,
    /// The version that is asked in the shadow, and what reads it.
    shadow: Option<(Digest, Reader)>,
    /// Since when another one is on trial.
    trial: Option<u64>,
}

/// A model that the configuration file names.
#[derive(Clone)]
pub struct OwnModel {
    /// Which bytes they are.
    pub digest: Digest,
    /// Its file: at most 64 MiB, held as long as the configuration is in force, since the file itself may change.
    pub bytes: Arc<[u8]>,
    /// What it takes and gives, as far as that is known.
    pub description: Description,
    /// How questions to it are asked together.
    pub batch: Option<Batch>,
    /// Who runs it, if that is not the host.
    pub endpoint: Option<Arc<EndpointConfig>>,
}

impl fmt::Debug for OwnModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnModel({}, {} bytes)", self.digest, self.bytes.len())
    }
}

/// Reads the file of a model.
type Reader = Box<dyn Fn() -> io::Result<Vec<u8>> + Send + Sync>;

/// The models of all tenants.
pub type OwnModels = BTreeMap<TenantName, BTreeMap<ModelName, OwnModel>>;

/// Asks models.
pub struct Asks {
    pool: Pool,
    of_file: RwLock<Arc<OwnModels>>,
    files: OnceLock<Arc<Components>>,
    read: Mutex<Read>,
    meters: InferMeters,
    drifts: Drifts,
    shadows: Arc<Shadows>,
    trials: Trials<ModelName>,
    teller: OnceLock<Teller>,
}

impl Asks {
    /// Of no models yet.
    pub fn new() -> Self {
        let (of_file, files, read, meters) = Default::default();
        let (drifts, shadows, trials, teller) = Default::default();
        Self { pool: Pool::new(Workers::new()), of_file, files, read, meters, drifts, shadows, trials, teller }
    }

    /// The models of the configuration file from now on. What is asked already is answered by what was there.
    /// Gives those of before.
    pub fn set(&self, models: Arc<OwnModels>) -> Arc<OwnModels> {
        let told = |ports: &[Port]| ports.iter().map(Port::to_string).collect::<Vec<_>>().join(", ");
        for (tenant, model, own) in
            models.iter().flat_map(|(of, all)| all.iter().map(move |(name, own)| (of, name, own)))
        {
            let (takes, gives) = (told(&own.description.inputs), told(&own.description.outputs));
            tracing::debug!(%tenant, %model, version = own.digest.short(), takes, gives, "a model can be asked");
        }
        mem::replace(&mut *self.of_file.write().unwrap_or_else(PoisonError::into_inner), models)
    }

    /// Where the files of all other models are, and what tells tenants of what drifts.
    pub fn begin(&self, files: Arc<Components>, teller: Teller) {
        // It is said once.
        let _ = (self.files.set(files), self.teller.set(teller));
    }

    /// What is held against baselines.
    pub fn drifts(&self) -> &Drifts {
        &self.drifts
    }

    /// What came of questions in the shadow.
    pub fn shadows(&self) -> &Shadows {
        &self.shadows
    }

    /// What came of questions to models that have a version on trial.
    pub fn trials(&self) -> &Trials<ModelName> {
        &self.trials
    }

    /// What tells tenants of what became of their models; none before the host has begun.
    pub fn teller(&self) -> Option<&Teller> {
        self.teller.get()
    }

    /// Forgets what was seen of a model, but for these versions of it: nobody asks others any more.
    pub fn keep(&self, tenant: &TenantName, model: &ModelName, versions: &[Digest]) {
        self.drifts.keep(tenant, model, versions);
        self.shadows.keep(tenant, model, versions);
    }

    /// Forgets what was seen of a tenant's models.
    pub fn forget_tenant(&self, tenant: &TenantName) {
        self.drifts.forget_tenant(tenant);
        self.shadows.forget_tenant(tenant);
    }

    /// The models of a tenant that the configuration file names.
    pub fn of_file(&self, tenant: &TenantName) -> BTreeMap<ModelName, OwnModel> {
        let of_file = self.of_file.read().unwrap_or_else(PoisonError::into_inner);
        of_file.get(tenant).cloned().unwrap_or_default()
    }

    /// Who runs a model elsewhere, and as which version it is counted.
    pub fn outside(&self, tenant: &TenantName, model: &ModelName) -> Option<(Digest, Arc<EndpointConfig>)> {
        let of_file = self.of_file.read().unwrap_or_else(PoisonError::into_inner);
        let own = of_file.get(tenant)?.get(model)?;
        Some((own.digest, Arc::clone(own.endpoint.as_ref()?)))
    }

    /// What a model is, found out by a worker, where it can hurt nobody.
    ///
    /// # Errors
    /// When it is none that can be asked, or that could not be found out.
    pub async fn look(&self, tenant: &TenantName, model: Vec<u8>, timeout: Duration) -> Result<Description, Failed> {
        self.pool.look(tenant.as_str(), model, timeout).await
    }

    /// What was counted.
    pub fn meters(&self) -> &InferMeters {
        &self.meters
    }

    /// The version that answers a question, and what reads its file.
    fn version(&self, call: &InferCall, object: Option<&Object>) -> Result<Answering, InferFailed> {
        let InferCall { tenant, model, occasion, .. } = call;
        let of_file = Arc::clone(&self.of_file.read().unwrap_or_else(PoisonError::into_inner));
        if let Some(own) = of_file.get(tenant).and_then(|models| models.get(model)) {
            let bytes = Arc::clone(&own.bytes);
            let read = Box::new(move || Ok(bytes.to_vec()));
            return Ok(Answering {
                version: own.digest,
                read,
                scales: None,
                batch: own.batch,
                shadow: None,
                trial: None,
            });
        }
        let Some(object) = object else {
            let why = format!(
                "there is no model `{model}`: add a table `models.{model}` to the tenant, or `wharf model put {model} FILE.onnx`"
            );
            return Err(InferFailed::Denied(Code::ModelUnknown, why));
        };
        let Recorded { channels, scales, batch, joined } =
            self.recorded((tenant, model), object).map_err(|why| InferFailed::Asked(why, InferSpent::default()))?;
        let Some(channels) = channels else {
            let why = format!("no version of the model `{model}` was promoted: `wharf model promote {model}`");
            return Err(InferFailed::Denied(Code::ModelUnknown, why));
        };
        // The same delivery asks the same version again, as long as nobody changes which answers.
        let version = channels.pick(occasion.as_bytes(), true).release;
        let trial = channels.canary().map(|canary| canary.since_ms);
        let shadow = SHADOW.parse::<ChannelName>().ok().and_then(|shadow| channels.named(&shadow).ok());
        let shadow = shadow.filter(|shadow| *shadow != version).map(|shadow| (shadow, self.reader(shadow)));
        let batch = batch.filter(|_| joined.contains(&version));
        Ok(Answering { version, read: self.reader(version), scales, batch, shadow, trial })
    }

    /// What reads the file of a version.
    fn reader(&self, version: Digest) -> Reader {
        let files = self.files.get().map(Arc::clone);
        Box::new(move || match &files {
            Some(files) => files.read(&version),
            None => Err(io::ErrorKind::NotFound.into()),
        })
    }

    /// Which version of a model answers whom, as its record says; none where no version was promoted.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn channels(&self, of: (&TenantName, &ModelName), object: &Object) -> Result<Option<Arc<Channels>>, Failed> {
        Ok(self.recorded(of, object)?.channels)
    }

    /// What a model's record says: read once for each version of it.
    fn recorded(&self, (tenant, model): (&TenantName, &ModelName), object: &Object) -> Result<Recorded, Failed> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let of = (tenant.clone(), model.clone());
        if let Some((_, recorded)) = read.get(&of).filter(|(version, _)| *version == object.version) {
            return Ok(recorded.clone());
        }
        let model: ModelObject = serde_json::from_slice(&object.document)
            .map_err(|error| Failed::Host(format!("the model's record cannot be read: {error}")))?;
        if read.len() >= READ_MAX && !read.contains_key(&of) {
            read.clear();
        }
        let joined = model.joined().collect();
        let channels = model.channels.map(|channels| Arc::new(channels.without_history()));
        let scales = model.baseline.map(|baseline| Arc::new(Scales::new(baseline)));
        let batch =
            model.batch.map(|ModelBatch { rows, wait_ms }| Batch { rows, wait: Duration::from_millis(wait_ms) });
        let recorded = Recorded { channels, scales, batch, joined };
        read.insert(of, (object.version, recorded.clone()));
        Ok(recorded)
    }

    /// Asks one. `object` is the record of the model, where there is one.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask(self: &Arc<Self>, call: InferCall, object: Option<Object>) -> Result<Inferred, InferFailed> {
        let Answering { version, read, scales, batch, shadow, trial } = self.version(&call, object.as_ref())?;
        let InferCall { tenant, plugin, occasion, model, inputs, timeout, is_first, .. } = call;
        let wanted = Wanted { tenant: tenant.to_string(), model: version.hex(), timeout, batch };
        let seen = scales.map(|scales| (look(&scales, &inputs), scales));
        let shadow = shadow.and_then(|(version, read)| {
            let of = WatchedOf { tenant: tenant.clone(), model: model.clone(), version };
            Some((self.shadows.begin(&of)?, of, read, inputs.clone()))
        });
        let Ran { outputs, took, waited, asked, shared } = self.pool.run(wanted, read, inputs).await;
        let error = outputs.as_ref().err().map(Failed::name);
        self.meters.count((&tenant, &model, &version), (took, waited, error), shared);
        // What is tried again says nothing new: one question that cannot be answered would count as many.
        let failed = is_its_own(outputs.as_ref().err(), asked);
        if let (Some(since_ms), Some(failed)) = (trial.filter(|_| is_first), failed) {
            let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.trials.count((&tenant, &model), (since_ms, version), failed, took_us);
        }
        tracing::debug!(
            %tenant, %plugin, %occasion, %model, version = version.short(), took_us = took.as_micros(),
            waited_us = waited.as_micros(), error, "a model was asked"
        );
        let spent = InferSpent { version: Some(version), took, waited, outside: false };
        match outputs {
            Ok(outputs) => {
                if let Some((open, of, read, inputs)) = shadow {
                    let wanted = Wanted { tenant: tenant.to_string(), model: of.version.hex(), timeout, batch: None };
                    self.shadow((open, of), (wanted, read, inputs), outputs.clone());
                }
                if let Some((seen, scales)) = seen {
                    self.watch(WatchedOf { tenant, model, version }, seen.as_ref(), &scales);
                }
                Ok(Inferred { outputs, version, spent })
            }
            Err(failed) => Err(InferFailed::Asked(failed, spent)),
        }
    }

    /// Puts a question that was answered to one more version, and holds its answer against that. Nobody waits for it.
    fn shadow(
        self: &Arc<Self>,
        (open, of): (Open, WatchedOf),
        (wanted, read, inputs): (Wanted, Reader, Vec<Tensor>),
        given: Vec<Tensor>,
    ) {
        let asks = Arc::clone(self);
        tokio::spawn(async move {
            let wanted = Wanted { timeout: wanted.timeout.min(SHADOW_TIMEOUT), ..wanted };
            let Some(Ran { outputs, took, waited, .. }) = asks.pool.run_at_once(wanted, read, inputs).await else {
                return open.left_out();
            };
            let error = outputs.as_ref().err().map(Failed::name);
            asks.meters.count((&of.tenant, &of.model, &of.version), (took, waited, error), None);
            open.end(&given, outputs.as_deref().ok());
        });
    }

    /// Holds what was asked against the baseline, and tells the tenant where that drifted.
    fn watch(&self, of: WatchedOf, seen: Option<&Seen>, scales: &Arc<Scales>) {
        // Only a host that has begun is asked.
        let Some(teller) = self.teller.get() else { return };
        let WatchedOf { tenant, model, version } = of.clone();
        let Some(ended) = self.drifts.count(of, scales, seen, teller.now_ms()) else { return };
        let (psi, ks) = (scales.baseline().psi, scales.baseline().ks);
        tracing::warn!(
            %tenant, %model, version = version.short(), rows = ended.rows, largest = ?ended.largest(),
            "what a model is asked about is not what it was trained with"
        );
        teller.drifted(tenant, model, Drifted { version, rows: ended.rows, psi, ks, columns: ended.columns });
    }
}

/// Whether a version failed, as far as its answer or the lack of one says something about it: not where no worker was free, the host failed, or the
/// question ended before the version was asked, since it is one that no model is asked, or its time was over while the version was made ready.
const fn is_its_own(failed: Option<&Failed>, asked: bool) -> Option<bool> {
    match failed {
        None => Some(false),
        Some(Failed::Busy | Failed::Host(_)) => None,
        Some(Failed::Invalid(_) | Failed::TooLarge(_) | Failed::Timeout) if !asked => None,
        Some(_) => Some(true),
    }
}

#[cfg(test)]
mod tests {
    use wharf_infer::Unfit;

    use super::*;

    #[test]
    fn what_says_nothing_about_a_version_is_not_held_against_it() {
        let text = || "why".to_owned();
        for (failed, asked, expected) in [
            (None, true, Some(false)),
            (Some(Failed::Busy), false, None),
            (Some(Failed::Host(text())), false, None),
            (Some(Failed::Host(text())), true, None),
            // Bounds that hold for any model, and the ports and outputs of this one.
            (Some(Failed::Invalid(text())), false, None),
            (Some(Failed::Invalid(text())), true, Some(true)),
            (Some(Failed::TooLarge(text())), false, None),
            (Some(Failed::TooLarge(text())), true, Some(true)),
            // While it was made ready, and while it ran.
            (Some(Failed::Timeout), false, None),
            (Some(Failed::Timeout), true, Some(true)),
            // It cannot be made ready, or ended its worker at that.
            (Some(Failed::Unfit(Unfit::Engine(text()))), false, Some(true)),
            (Some(Failed::Model(text())), false, Some(true)),
            (Some(Failed::Model(text())), true, Some(true)),
        ] {
            assert_eq!(is_its_own(failed.as_ref(), asked), expected, "{failed:?}, asked: {asked}");
        }
    }
}
