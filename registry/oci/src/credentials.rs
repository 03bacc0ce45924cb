//! What a registry is shown: what `docker login` or `oras login` have left for it in docker's configuration file.
//!
//! Invariant: a registry is shown its own credentials, or none. They are in no message. Where the file is, is docker's to say: it is looked
//! for where docker does.

use std::{
    env,
    fs::File,
    io::{BufReader, ErrorKind},
    path::{Path, PathBuf},
};

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use oci_client::secrets::RegistryAuth;

use crate::OciError;

/// The credentials for a registry. Where a helper keeps them it is run, so this blocks.
pub fn of(registry: &str) -> Result<RegistryAuth, OciError> {
    let Some(file) = file() else { return Ok(RegistryAuth::Anonymous) };
    let config = match File::open(&file) {
        Ok(config) => BufReader::new(config),
        // Nobody has logged in anywhere.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(RegistryAuth::Anonymous),
        Err(error) => return Err(OciError::Credentials(format!("{}: {error}", file.display()))),
    };
    match get_credential_from_reader(config, registry) {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(RegistryAuth::Basic(user, password)),
        Ok(DockerCredential::IdentityToken(_)) => Err(OciError::Credentials(
            "it has an identity token for the registry, and a name with a password is needed".to_owned(),
        )),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(RegistryAuth::Anonymous),
        // What a helper prints may be anything; its name says enough.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
            Err(OciError::Credentials(format!("the helper `docker-credential-{helper}` gives none")))
        }
        Err(error) => Err(OciError::Credentials(format!("{}: {error}", file.display()))),
    }
}

fn file() -> Option<PathBuf> {
    let folder = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".docker")));
    folder.map(|folder| folder.join("config.json"))
}
