//! `wharf tenant` and `wharf bus`: tenants that are made while a host runs, and the event buses of one.
//!
//! Invariant: nothing is overwritten that was not seen: what is made must not be there, and what is changed is put back as it was read.
//! A tenant is deleted only when its name was said twice.

use std::{
    io::{self, BufRead as _, IsTerminal as _},
    str::FromStr,
};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Map, Value};
use wharf_event::{BusName, Position, SignaturePolicy, TenantName};
use wharf_gateway::limits::PAGE_ROWS_MAX;
use wharf_gateway::view::{BudgetView, BusView, QuotaView, QuotasView, RuleOrigin, SpentView, TenantView, TenantsView};

use super::{
    args::Global,
    error::{CommandError, Exit, talk},
    events::fact,
    object,
    output::Output,
    pages,
    session::Session,
    usage::amount,
    words::{clipped, good, lasted},
};
use crate::client::{Client, ClientError, Condition, Resource};

/// `wharf tenant`.
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// List tenants
    #[command(visible_alias = "list", after_help = "Example:\n  wharf tenant ls")]
    Ls,
    /// Show a tenant and what holds for it
    #[command(after_help = "Example:\n  wharf tenant show acme")]
    Show {
        /// The tenant
        name: TenantName,
    },
    /// Make a tenant, with the event bus `default`
    #[command(after_help = "Example:\n  wharf tenant create acme")]
    Create {
        /// Its name
        name: TenantName,
    },
    /// Change what holds for a tenant as a whole: what it may have and do, what it asks of signatures
    #[command(
        after_help = "Example:\n  wharf tenant set acme kv_size=1GiB backlog=10000 cpu_per_hour=20m\n  wharf tenant set acme --signatures \
        require\n\nThe keys are those of a tenant in wharf.toml (docs/limits.md). A key without a value has its default again."
    )]
    Set {
        /// The tenant
        name: TenantName,
        /// What is to hold
        #[arg(required_unless_present = "signatures", value_name = "KEY=VALUE")]
        settings: Vec<Setting>,
        /// Whether its releases have to be signed by one of its keys: `none` or `require`
        #[arg(long, value_name = "POLICY")]
        signatures: Option<SignaturePolicy>,
    },
    /// Refuse a tenant's events, and let its deliveries wait
    #[command(after_help = "Example:\n  wharf tenant suspend acme")]
    Suspend {
        /// The tenant
        name: TenantName,
    },
    /// Let a suspended tenant go on
    #[command(after_help = "Example:\n  wharf tenant resume acme")]
    Resume {
        /// The tenant
        name: TenantName,
    },
    /// Delete a tenant with everything that it has
    #[command(
        after_help = "Example:\n  wharf tenant delete acme --yes\n\nIt is unknown at once; its rules, plugins, deliveries, dead \
        letters and key-value data go page by page behind that. Its events leave the log with the segments that they are in."
    )]
    Delete {
        /// The tenant
        name: TenantName,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

impl TenantCommand {
    /// The tenant that it is about, which the host may not know.
    pub fn named(&self) -> Option<&TenantName> {
        match self {
            Self::Ls | Self::Create { .. } => None,
            Self::Show { name }
            | Self::Set { name, .. }
            | Self::Suspend { name }
            | Self::Resume { name }
            | Self::Delete { name, .. } => Some(name),
        }
    }
}

/// `wharf bus`.
#[derive(Debug, Subcommand)]
pub enum BusCommand {
    /// List the event buses of a tenant
    #[command(visible_alias = "list", after_help = "Example:\n  wharf bus ls")]
    Ls,
    /// Make an event bus
    #[command(after_help = "Example:\n  wharf bus add orders --age 30d --size 50GiB")]
    Add(BusArgs),
    /// Remove an event bus that no rule and no schema needs
    #[command(after_help = "Example:\n  wharf bus rm orders")]
    Rm {
        /// The bus
        bus: BusName,
    },
}

/// `wharf bus add`.
#[derive(Debug, Args)]
pub struct BusArgs {
    /// The bus
    pub bus: BusName,
    /// Events older than this may go, such as 30d; 7d if it is not said
    #[arg(long, value_name = "DURATION")]
    pub age: Option<String>,
    /// Events with more bytes than this after them may go, such as 50GiB; 10GiB if it is not said
    #[arg(long, value_name = "SIZE")]
    pub size: Option<String>,
    /// Deliveries of its events that may wait; as many as the tenant's backlog lets if it is not said
    #[arg(long, value_name = "N")]
    pub backlog: Option<u32>,
    /// Change a bus that is there
    #[arg(long)]
    pub replace: bool,
}

/// A key of a tenant and what it is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    key: String,
    /// Nothing: the default.
    value: Option<Value>,
}

/// A text that sets nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` sets nothing: write KEY=VALUE, as in backlog=1000, or KEY= for the default")]
pub struct NoSetting(String);

impl FromStr for Setting {
    type Err = NoSetting;

    fn from_str(text: &str) -> Result<Self, NoSetting> {
        let (key, value) =
            text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| NoSetting(text.into()))?;
        let value = match value {
            "" => None,
            "true" | "false" => Some((value == "true").into()),
            _ => Some(value.parse::<u64>().map_or_else(|_| value.into(), Value::from)),
        };
        Ok(Self { key: key.to_owned(), value })
    }
}

#[derive(Serialize)]
struct Deleted<'a> {
    deleted: &'a TenantName,
}

/// `wharf tenant`.
pub async fn run(command: TenantCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let client = Client::new(&global.url)?;
    match command {
        TenantCommand::Ls => list(&client, out).await,
        TenantCommand::Show { name } => {
            let tenant: TenantView = client.get(&Resource::of(&name)).await?;
            let state = if tenant.settings.suspended { "suspended" } else { "active" };
            tell(state, &tenant, out)?;
            if !out.is_json() {
                let quotas: QuotasView = client.get(&Resource::of(&name).at("quotas")).await?;
                lines(&quotas).iter().try_for_each(|line| out.line(line))?;
            }
            Ok(Exit::Success)
        }
        TenantCommand::Create { name } => {
            let tenant = client.put(&Resource::of(&name), b"{}".to_vec(), Condition::Absent).await?;
            tell("created", &tenant, out)
        }
        TenantCommand::Set { name, mut settings, signatures } => {
            let value = |policy: SignaturePolicy| Some(policy.as_str().into());
            settings.extend(signatures.map(|policy| Setting { key: "signatures".to_owned(), value: value(policy) }));
            set(&client, &name, settings, "in force", out).await
        }
        TenantCommand::Suspend { name } => set(&client, &name, vec![suspended(true)], "suspended", out).await,
        TenantCommand::Resume { name } => set(&client, &name, vec![suspended(false)], "active", out).await,
        TenantCommand::Delete { name, yes } => delete(&client, &name, yes, out).await,
    }
}

async fn list(client: &Client, out: &mut Output) -> Result<Exit, CommandError> {
    let all = tenants(client).await?;
    if out.is_json() {
        out.document(&all)?;
        return Ok(Exit::Success);
    }
    let state = |tenant: &TenantName| if all.suspended.contains(tenant) { "suspended" } else { "active" };
    let is_default = |tenant: &TenantName| if all.default.as_ref() == Some(tenant) { "default" } else { "" };
    let row = |tenant: &TenantName| [tenant.to_string(), state(tenant).to_owned(), is_default(tenant).to_owned()];
    let gone = |tenant: &TenantName| [tenant.to_string(), "deleting".to_owned(), String::new()];
    let rows = all.tenants.iter().map(row).chain(all.deleting.iter().map(gone)).collect();
    out.table(["TENANT", "STATE", ""], rows)?;
    Ok(Exit::Success)
}

/// All tenants, page by page.
async fn tenants(client: &Client) -> Result<TenantsView, CommandError> {
    let (mut all, mut after) = (TenantsView::default(), None);
    loop {
        let page = Resource::fixed("/v1/tenants").ask("limit", PAGE_ROWS_MAX).ask_some("after", after);
        let TenantsView { default, tenants, suspended, deleting } = client.get(&page).await?;
        let last = tenants.iter().chain(&deleting).max().cloned();
        all.default = default;
        all.tenants.extend(tenants);
        all.suspended.extend(suspended);
        all.deleting.extend(deleting);
        after = last;
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// A tenant, with all that holds for it as a whole, also what this program does not know.
#[derive(Debug)]
pub struct Whole {
    /// Where it was made.
    pub origin: RuleOrigin,
    /// The record that made it as it is; none for one of the configuration file.
    pub version: Option<Position>,
    /// What it is put as.
    pub settings: Map<String, Value>,
}

impl Whole {
    /// Reads it.
    ///
    /// # Errors
    /// When the host does not answer. That there is none is no error.
    pub async fn read(client: &Client, name: &TenantName) -> Result<Option<Self>, ClientError> {
        let document: Option<Map<String, Value>> = client.find(&Resource::of(name)).await?;
        document.map(Self::of).transpose().map_err(ClientError::NotUnderstood)
    }

    fn of(mut settings: Map<String, Value>) -> serde_json::Result<Self> {
        let version = settings.remove("version").map(serde_json::from_value).transpose()?;
        let origin = serde_json::from_value(settings.remove("origin").unwrap_or_default())?;
        settings.remove("tenant");
        Ok(Self { origin, version, settings })
    }
}

fn suspended(suspended: bool) -> Setting {
    Setting { key: "suspended".to_owned(), value: Some(suspended.into()) }
}

/// Changes what holds for a tenant. All else that holds for it stays.
async fn set(
    client: &Client,
    name: &TenantName,
    changes: Vec<Setting>,
    word: &str,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let at = Resource::of(name);
    let Whole { version, mut settings, .. } = Whole::of(client.get(&at).await?).map_err(ClientError::NotUnderstood)?;
    for Setting { key, value } in changes {
        match value {
            Some(value) => settings.insert(key, value),
            None => settings.remove(&key),
        };
    }
    let settings = serde_json::to_vec(&settings).map_err(ClientError::NotUnderstood)?;
    let tenant = client.put(&at, settings, version.map_or(Condition::None, Condition::Version)).await?;
    tell(word, &tenant, out)
}

/// What a tenant has and does, beside what it may.
fn lines(quotas: &QuotasView) -> Vec<String> {
    let of = |QuotaView { used, most }: QuotaView, text: &dyn Fn(u64) -> String| match most {
        Some(most) => format!("{} of {}", text(used), text(most)),
        None => text(used),
    };
    let per_s = |most: Option<u32>| most.map_or_else(|| "any".to_owned(), |most| format!("{most} a second"));
    let count = |number: u64| number.to_string();
    let facts = [
        ("keys and values", of(quotas.kv_bytes, &amount)),
        ("components and models", of(quotas.upload_bytes, &amount)),
        ("deliveries waiting", of(quotas.backlog, &count)),
        ("cpu this hour", of(quotas.cpu_ms_per_hour, &|ms| lasted(ms.saturating_mul(1_000)))),
        ("bytes this hour", of(quotas.bytes_per_hour, &amount)),
        ("calls this hour", of(quotas.host_calls_per_hour, &count)),
        ("received", per_s(quotas.receive_per_s)),
        ("published", per_s(quotas.publish_per_s)),
    ];
    let mut lines: Vec<_> = facts.iter().map(|(name, value)| fact(name, value)).collect();
    for of_plugin in &quotas.plugins {
        let per_s = of_plugin.publish_per_s.map(|most| format!(", publishes {most} a second")).unwrap_or_default();
        let text = format!("{} wait{per_s}", of(of_plugin.backlog, &count));
        lines.push(fact(of_plugin.plugin.as_str(), &text));
    }
    lines.extend(quotas.budgets.iter().map(|budget| fact(&budget.of, &spent(budget))));
    lines
}

/// What models cost today, beside what they may.
fn spent(BudgetView { currency, hour, day, .. }: &BudgetView) -> String {
    let money = |of: &SpentView, name: &str| {
        let most = of.most_cost.as_ref().map(|most| format!(" of {most}")).unwrap_or_default();
        let unit = currency.as_ref().map(|currency| format!(" {currency}")).unwrap_or_default();
        let tokens = of.input_tokens.saturating_add(of.output_tokens);
        let most_tokens = of.most_tokens.map(|most| format!(" of {most}")).unwrap_or_default();
        format!("{}{most}{unit}, {tokens}{most_tokens} tokens {name}", of.cost)
    };
    format!("models: {}; {}", money(day, "today"), money(hour, "this hour"))
}

async fn delete(client: &Client, name: &TenantName, yes: bool, out: &mut Output) -> Result<Exit, CommandError> {
    let at = Resource::of(name);
    let _: TenantView = client.get(&at).await?;
    let confirmed = if yes { Some(name.to_string()) } else { asked(name)? };
    // Without a confirmation the host says what it would need.
    client.delete(&at.ask_some("confirm", confirmed)).await?;
    if out.is_json() {
        out.document(&Deleted { deleted: name })?;
    } else {
        out.line(&format!("{}  {name}", good("deleted")))?;
    }
    Ok(Exit::Success)
}

/// What somebody at a terminal answers; nothing where there is none.
fn asked(name: &TenantName) -> Result<Option<String>, CommandError> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    talk(&format!("all that `{name}` has goes with it, and does not come back. Its name, once more:"));
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|source| CommandError::Unreadable { path: "-".into(), source })?;
    Ok(Some(line.trim().to_owned()))
}

fn tell(word: &str, tenant: &TenantView, out: &mut Output) -> Result<Exit, CommandError> {
    if out.is_json() {
        out.document(tenant)?;
    } else {
        let version = tenant.version.map_or_else(String::new, |version| format!("  version {version}"));
        out.line(&format!("{}  {}{version}", good(word), tenant.tenant))?;
    }
    Ok(Exit::Success)
}

/// `wharf bus`.
pub async fn bus(command: BusCommand, global: &Global, out: &mut Output) -> Result<Exit, CommandError> {
    let session = Session::open(global).await?;
    let buses = session.own().at("buses");
    match command {
        BusCommand::Ls => {
            let all = pages::whole(&session.client, buses, |it: &BusView| it.bus.to_string()).await?;
            if out.is_json() {
                out.document(&all)?;
                return Ok(Exit::Success);
            }
            let origin = |bus: &BusView| object::origin(bus.origin).to_owned();
            let row = |bus: &BusView| {
                let most = bus.backlog.map(|most| most.to_string()).unwrap_or_default();
                let (age, size) = (clipped(&bus.retention.age), clipped(&bus.retention.size));
                [bus.bus.to_string(), origin(bus), age, size, bus.waiting.to_string(), most]
            };
            out.table(["BUS", "FROM", "AGE", "SIZE", "WAITING", "BACKLOG"], all.iter().map(row).collect())?;
        }
        BusCommand::Add(BusArgs { bus, age, size, backlog, replace }) => {
            let mut retention = Map::new();
            retention.extend(age.map(|age| ("age".to_owned(), Value::from(age))));
            retention.extend(size.map(|size| ("size".to_owned(), Value::from(size))));
            let mut settings = Map::from_iter([("retention".to_owned(), Value::from(retention))]);
            settings.extend(backlog.map(|backlog| ("backlog".to_owned(), Value::from(backlog))));
            let settings = serde_json::to_vec(&settings).map_err(ClientError::NotUnderstood)?;
            let condition = if replace { Condition::None } else { Condition::Absent };
            let bus: BusView = session.client.put(&buses.at(&bus), settings, condition).await?;
            if out.is_json() {
                out.document(&bus)?;
            } else {
                let BusView { bus, retention, .. } = bus;
                out.line(&format!("{}  {bus}  keeps {} and {}", good("in force"), retention.age, retention.size))?;
            }
        }
        BusCommand::Rm { bus } => {
            object::remove(&session, &buses.at(&bus), &bus, out).await?;
        }
    }
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use wharf_gateway::view::PluginQuotasView;

    use super::*;

    #[test]
    fn a_setting_is_a_key_and_a_number_a_word_or_nothing() {
        let setting = |text: &str| text.parse::<Setting>().map(|setting| (setting.key, setting.value));
        let cases = [
            ("backlog=10", Some(("backlog", Some(Value::from(10))))),
            ("kv_size=1GiB", Some(("kv_size", Some(Value::from("1GiB"))))),
            ("suspended=true", Some(("suspended", Some(Value::from(true))))),
            ("backlog=", Some(("backlog", None))),
            ("a=b=c", Some(("a", Some(Value::from("b=c"))))),
            ("backlog", None),
            ("=1", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(setting(text).ok(), wanted.map(|(key, value)| (key.to_owned(), value)), "{text}");
        }
    }

    #[test]
    fn what_there_is_stands_beside_what_may_be() {
        let plugin = PluginQuotasView {
            plugin: "slow".parse().unwrap(),
            backlog: QuotaView { used: 3, most: Some(5) },
            publish_per_s: Some(7),
        };
        let quotas = QuotasView {
            kv_bytes: QuotaView { used: 1_500, most: Some(2_000_000) },
            cpu_ms_per_hour: QuotaView { used: 1_500, most: None },
            bytes_per_hour: QuotaView { used: 2_500, most: Some(1_000_000) },
            host_calls_per_hour: QuotaView { used: 11, most: Some(12) },
            receive_per_s: Some(9),
            plugins: vec![plugin],
            ..QuotasView::default()
        };
        let lines = lines(&quotas).join("\n");
        for part in [
            "1.5 kB of 2.0 MB",
            "2.5 kB of 1.0 MB",
            "11 of 12",
            "1.5 s",
            "9 a second",
            "any",
            "3 of 5 wait, publishes 7 a second",
        ] {
            assert!(lines.contains(part), "{part} in {lines}");
        }
    }
}
