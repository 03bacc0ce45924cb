//! From `wharf.toml` to something that can run: components read, checked and compiled, names resolved to digests.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt, io, mem,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;
use wharf_delivery::{Document, PluginDocument, TenantDocument};
use wharf_dispatch::{Releases, RuleSet, Sandboxed, SandboxedBatch, SandboxedHttp, SandboxedTransform, Transforms};
use wharf_event::{Code, Digest, Grants, PluginName, TenantName};
use wharf_inspect::needs;
use wharf_oci::Reference;
use wharf_runtime::{Prepared, Runtime};

use crate::{
    compile::{self, Compiled, Components, Unfit, read_bounded},
    config::{self, Config, EgressConfig, HostConfig, PluginConfig, Problem, Problems},
    infer::{self, OwnModels},
    models::{self, Catalog},
    progress::Progress,
    tenant_tables,
};

/// Bytes of a configuration file.
const CONFIG_BYTES_MAX: u64 = 16 << 20;

/// A configuration that can be put into force.
pub struct Loaded {
    /// The rule set, without a version yet.
    pub rules: RuleSet,
    /// What holds for the whole host.
    pub host: HostConfig,
    /// What leaves the host.
    pub egress: EgressConfig,
    /// Models for plugins.
    pub models: Catalog,
    /// Models of tenants.
    pub own_models: OwnModels,
    /// The components that it names.
    pub components: HashMap<Digest, Vec<u8>>,
    /// What plugins will be denied, as far as their components tell.
    pub ungranted: Vec<Ungranted>,
}

/// What a plugin asks for and is not granted. It runs all the same: it may never come to that.
#[derive(Debug, Serialize)]
pub struct Ungranted {
    /// Whose it is.
    pub tenant: TenantName,
    /// Which one.
    pub plugin: PluginName,
    /// What it asks for beyond its grants, a phrase each.
    pub asks: Vec<String>,
    /// The value of `grants` in `wharf.toml` with which it has that too.
    pub grants: String,
}

impl fmt::Display for Ungranted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plugin, asks, grants, .. } = self;
        let asks = asks.join(", ");
        write!(f, "plugin `{plugin}` asks for {asks} and is not granted that; in wharf.toml: grants = {grants}")
    }
}

/// Why a configuration cannot be put into force.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{path} cannot be read", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is larger than a configuration may be.
    #[error("{path} is larger than {bytes_max} bytes, the most that a configuration may have", path = path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The bound.
        bytes_max: u64,
    },
    /// It has mistakes.
    #[error(transparent)]
    Mistakes(#[from] Problems),
    /// It does not fit together.
    #[error(transparent)]
    Rules(#[from] wharf_dispatch::RulesError),
}

/// The text of the configuration at `path`.
///
/// # Errors
/// When it cannot be read, or is too large.
pub fn read(path: &Path) -> Result<String, LoadError> {
    let unreadable = |source| LoadError::Read { path: path.to_owned(), source };
    let bytes = read_bounded(path, CONFIG_BYTES_MAX + 1).map_err(unreadable)?;
    if bytes.len() as u64 > CONFIG_BYTES_MAX {
        return Err(LoadError::TooLarge { path: path.to_owned(), bytes_max: CONFIG_BYTES_MAX });
    }
    String::from_utf8(bytes).map_err(|error| unreadable(io::Error::other(error)))
}

/// Reads and compiles everything that the configuration at `path` names, and says how far that has come. Gives the files that were
/// looked for, be they there or not, the configuration first; and what they say, or all mistakes of the configuration and its
/// components, in one pass.
pub fn load(path: &Path, runtime: &Arc<Runtime>, progress: &Progress) -> (Vec<PathBuf>, Result<Loaded, LoadError>) {
    let mut files = vec![path.to_owned()];
    let loaded = read(path).and_then(|text| load_all(text, path, &mut files, runtime, progress));
    (files, loaded)
}

fn load_all(
    text: String,
    path: &Path,
    files: &mut Vec<PathBuf>,
    runtime: &Arc<Runtime>,
    progress: &Progress,
) -> Result<Loaded, LoadError> {
    let (config, problems) = config::read(&text);
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut loading = Loading { problems, ..Loading::new(folder, runtime) };
    let plugins = config.tenants.values().flat_map(|tenant| tenant.plugins.values());
    let in_files = plugins.filter(|plugin| !Reference::is_meant(&plugin.component));
    let components = in_files.map(|plugin| loading.folder.join(&plugin.component)).collect();
    loading.compiled = compile::all(components, runtime, progress);
    let document = loading.document(&config);
    let (scripts, script_files) = models::read_scripts(&loading.folder, &config.llm, &mut loading.problems);
    files.extend(mem::take(&mut loading.by_file).into_keys());
    files.extend(mem::take(&mut loading.schema_files));
    files.extend(mem::take(&mut loading.model_files));
    files.extend(script_files);
    if !loading.problems.is_empty() {
        let mut list = loading.problems;
        list.sort_by_key(|problem| problem.span.start);
        return Err(Problems { path: path.to_owned(), text, list }.into());
    }
    let rules = RuleSet::new(document, &loading.releases, &loading.transforms)?;
    let models = Catalog::new(&config, scripts);
    let Loading { own_models, components, ungranted, .. } = loading;
    Ok(Loaded { rules, host: config.host, egress: config.egress, models, own_models, components, ungranted })
}

/// Every component file once, whoever names it.
struct Loading<'a> {
    folder: PathBuf,
    runtime: &'a Arc<Runtime>,
    by_file: BTreeMap<PathBuf, Option<Digest>>,
    schema_files: BTreeSet<PathBuf>,
    model_files: BTreeSet<PathBuf>,
    own_models: OwnModels,
    compiled: Components,
    releases: Releases,
    transforms: Transforms,
    components: HashMap<Digest, Vec<u8>>,
    ungranted: Vec<Ungranted>,
    problems: Vec<Problem>,
}

impl<'a> Loading<'a> {
    fn new(folder: PathBuf, runtime: &'a Arc<Runtime>) -> Self {
        Self {
            folder,
            runtime,
            by_file: BTreeMap::new(),
            schema_files: BTreeSet::new(),
            model_files: BTreeSet::new(),
            own_models: OwnModels::new(),
            compiled: Components::new(),
            releases: HashMap::new(),
            transforms: HashMap::new(),
            components: HashMap::new(),
            ungranted: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn document(&mut self, config: &Config) -> Document {
        let mut document = Document { default_tenant: config.default_tenant.clone(), ..Document::default() };
        for (name, tenant) in &config.tenants {
            let mut plugins = BTreeMap::new();
            for (plugin, from) in &tenant.plugins {
                let Some(release) = self.release(from) else { continue };
                self.ungranted.extend(self.ungranted(name, plugin, &from.grants, &release));
                let PluginConfig { config, grants, limits, breaker, .. } = from.clone();
                plugins.insert(plugin.clone(), PluginDocument { release, config, grants, limits, breaker });
            }
            let transforms = &self.transforms;
            let is_transform =
                |plugin: &_| plugins.get(plugin).map(|it: &PluginDocument| transforms.contains_key(&it.release));
            tenant_tables::check_uses(tenant, is_transform, &mut self.problems);
            let (buses, rules, retention) = (tenant.buses.clone(), tenant.rules.clone(), tenant.retention.clone());
            let (schemas, files) = tenant_tables::schemas(&self.folder, &tenant.schemas, &mut self.problems);
            self.schema_files.extend(files);
            let (models, files) = infer::read(&self.folder, &tenant.own_models, &mut self.problems);
            self.model_files.extend(files);
            self.own_models.insert(name.clone(), models);
            let (settings, bus_backlogs) = (tenant.settings.clone(), tenant.bus_backlogs.clone());
            let webhooks = tenant.webhooks.clone();
            let schedules = tenant.schedules.clone();
            let (queues, routes) = (tenant.queues.clone(), tenant.routes.clone());
            let of = TenantDocument {
                buses,
                plugins,
                rules,
                retention,
                bus_backlogs,
                schemas,
                schedules,
                webhooks,
                queues,
                routes,
                settings,
            };
            document.tenants.insert(name.clone(), of);
        }
        document
    }

    /// What a plugin will be denied, as far as its component tells.
    fn ungranted(
        &self,
        tenant: &TenantName,
        plugin: &PluginName,
        granted: &Grants,
        release: &Digest,
    ) -> Option<Ungranted> {
        // What is not understood there was refused before.
        let needs = needs(self.components.get(release)?).ok()?;
        let missing = granted.missing(&needs.of_plugin(plugin).said());
        let (tenant, plugin) = (tenant.clone(), plugin.clone());
        (!missing.is_empty()).then(|| Ungranted {
            tenant,
            plugin,
            asks: missing.told(),
            grants: granted.with(&missing).to_string(),
        })
    }

    fn release(&mut self, plugin: &PluginConfig) -> Option<Digest> {
        let file = self.folder.join(&plugin.component);
        if let Some(known) = self.by_file.get(&file) {
            return *known;
        }
        let compiled = match Reference::is_meant(&plugin.component) {
            true => Err(in_registry()),
            false => self.compile(&file),
        };
        let digest = match compiled {
            Ok(digest) => Some(digest),
            Err((code, message, help)) => {
                let message = format!("component {}: {message}", file.display());
                self.problems.push(Problem { span: plugin.component_span.clone(), code, message, help });
                None
            }
        };
        self.by_file.insert(file, digest);
        digest
    }

    fn compile(&mut self, file: &Path) -> Result<Digest, Unfit> {
        let unread = || (Code::Internal, "it was not read".to_owned(), "that is a defect of the host".to_owned());
        let Compiled { wasm, prepared } = self.compiled.remove(file).ok_or_else(unread)??;
        let digest = *prepared.digest();
        let runtime = Arc::clone(self.runtime);
        match prepared {
            Prepared::Handler(release) => {
                self.releases.insert(digest, Arc::new(Sandboxed::new(runtime, release)));
            }
            Prepared::Batch(release) => {
                self.releases.insert(digest, Arc::new(SandboxedBatch::new(runtime, release)));
            }
            Prepared::Http(release) => {
                self.releases.insert(digest, Arc::new(SandboxedHttp::new(runtime, release)));
            }
            Prepared::Transform(release) => {
                self.transforms.insert(digest, Arc::new(SandboxedTransform::new(runtime, release)));
            }
        }
        self.components.insert(digest, wasm);
        Ok(digest)
    }
}

/// A host reads files only.
fn in_registry() -> Unfit {
    let help = "`wharf deploy` takes it from there to a host that runs; the file that a host runs with names a file";
    (Code::ConfigInvalid, "it is in a registry, and a host talks to none".to_owned(), help.to_owned())
}
