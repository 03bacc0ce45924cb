//! One look at one source, by the crate that AWS keeps for it.
//!
//! Invariant: nothing of a look before is used: files that were written anew are read anew.

use std::time::{Duration, SystemTime};

use aws_config::{
    Region,
    default_provider::credentials::DefaultCredentialsChain,
    ecs::EcsCredentialsProvider,
    environment::EnvironmentVariableCredentialsProvider,
    imds::{Client, credentials::ImdsCredentialsProvider},
    profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig,
    web_identity_token::WebIdentityTokenCredentialsProvider,
};
use aws_credential_types::provider::ProvideCredentials as _;
use wharf_llm::Credentials;

use crate::{error::NotFound, source::Source, way::Way};

/// What a source gave.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The credentials.
    pub(crate) credentials: Credentials,
    /// How long they last from when they came, where they end.
    pub(crate) lasts: Option<Duration>,
}

/// Asks a source. The region is that of whoever is asked for credentials, where they are given by region.
pub(crate) async fn ask(of: Source, region: String, way: Way) -> Result<Found, NotFound> {
    let region = Region::new(region);
    let config = ProviderConfig::without_region().with_region(Some(region.clone())).with_http_client(way);
    let asked = match of {
        Source::Chain => {
            let chain = DefaultCredentialsChain::builder().region(region).imds_client(metadata(&config));
            chain.configure(config).build().await.provide_credentials().await
        }
        Source::Environment => EnvironmentVariableCredentialsProvider::new().provide_credentials().await,
        Source::Profile => {
            ProfileFileCredentialsProvider::builder().configure(&config).build().provide_credentials().await
        }
        Source::WebIdentity => {
            WebIdentityTokenCredentialsProvider::builder().configure(&config).build().provide_credentials().await
        }
        Source::Container => EcsCredentialsProvider::builder().configure(&config).build().provide_credentials().await,
        Source::Instance => {
            let instance = ImdsCredentialsProvider::builder().imds_client(metadata(&config));
            instance.configure(&config).build().provide_credentials().await
        }
    };
    let given = asked.map_err(|error| NotFound::new(of, &error))?;
    let (access_key, secret_key) = (given.access_key_id().to_owned(), given.secret_access_key().to_owned());
    let credentials = Credentials::new(access_key, secret_key, given.session_token().map(str::to_owned));
    let lasts = given.expiry().map(|end| end.duration_since(now()).unwrap_or_default());
    Ok(Found { credentials, lasts })
}

/// The metadata service, asked once: where there is none, nothing answers, and whoever waits waits for each time.
fn metadata(config: &ProviderConfig) -> Client {
    Client::builder().configure(config).max_attempts(1).build()
}

#[allow(
    clippy::disallowed_methods,
    reason = "credentials end by the clock of whoever gave them, which is no matter of the log's time"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
