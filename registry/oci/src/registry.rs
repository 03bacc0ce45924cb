//! The registry of a reference: what a reference names, its bytes, and putting one there.
//!
//! Invariant: bytes are taken up to what the manifest says and given out only when their digest is the manifest's. Nothing is pushed before
//! all that it names is there: the manifest comes last. (A manifest itself is read as the client reads it: bounded by time, not by bytes.)

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::HeaderValue;
use oci_client::{
    Client, RegistryOperation,
    client::{ClientConfig, ClientProtocol},
    manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor},
    secrets::RegistryAuth,
};
use serde::Serialize;
use wharf_event::Digest;

use crate::{
    OciError, Reference,
    artifact::{self, NotComponent},
    credentials,
    limits::{COMPONENT_BYTES_MAX, CONNECT_TIMEOUT, READ_TIMEOUT},
};

/// What a component imports and exports, by the names of interfaces; other tools show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Interfaces {
    /// What it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
}

/// What a reference names.
#[derive(Clone, Debug)]
pub struct Found {
    /// The digest of its manifest: the reference that never changes.
    pub manifest: String,
    /// The digest of the component.
    pub component: Digest,
    /// Bytes of the component.
    pub bytes: u64,
    layer: OciDescriptor,
}

/// What was pushed.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The digest of its manifest.
    pub manifest: Digest,
    /// The digest of the component.
    pub component: Digest,
}

/// The registry of one reference, with what it is shown.
pub struct Registry {
    client: Client,
    reference: Reference,
    credentials: RegistryAuth,
}

impl Registry {
    /// The registry of a reference. Nothing is sent yet.
    ///
    /// # Errors
    /// When there are credentials that cannot be read.
    pub fn of(reference: &Reference) -> Result<Self, OciError> {
        // That somebody else has chosen one before is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let protocol = match reference.is_loopback() {
            true => ClientProtocol::HttpsExcept(vec![reference.registry().to_owned()]),
            false => ClientProtocol::Https,
        };
        let config = ClientConfig {
            protocol,
            platform_resolver: None,
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: concat!("wharf/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|error| OciError::of(reference, &error))?;
        let credentials = credentials::of(reference.registry())?;
        Ok(Self { client, reference: reference.clone(), credentials })
    }

    /// What the reference names.
    ///
    /// # Errors
    /// When there is nothing, or no component.
    pub async fn find(&self) -> Result<Found, OciError> {
        let types = [OCI_IMAGE_MEDIA_TYPE];
        let pulled = self.client.pull_manifest_raw(self.reference.inner(), &self.credentials, &types).await;
        let (raw, manifest) = pulled.map_err(|error| self.error(&error))?;
        let reference = self.reference.clone();
        let (layer, component, bytes) = artifact::component(&raw).map_err(|error| match error {
            NotComponent::Foreign(reason) => OciError::Foreign { reference, reason },
            NotComponent::TooLarge(bytes) => OciError::TooLarge { reference, bytes },
        })?;
        Ok(Found { manifest, component, bytes, layer })
    }

    /// The component; `progress` is told how many bytes are here.
    ///
    /// # Errors
    /// When the registry does not give it, or something else.
    pub async fn pull(&self, found: &Found, mut progress: impl FnMut(u64)) -> Result<Bytes, OciError> {
        let reference = self.reference.inner();
        self.client.store_auth_if_needed(reference.resolve_registry(), &self.credentials).await;
        let blob = self.client.pull_blob_stream(reference, &found.layer).await;
        let mut stream = blob.map_err(|error| self.error(&error))?.stream;
        let mut bytes = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| self.broken(&error))?;
            if (bytes.len() + chunk.len()) as u64 > found.bytes {
                return Err(OciError::Digest(self.reference.clone()));
            }
            bytes.extend_from_slice(&chunk);
            progress(bytes.len() as u64);
        }
        if Digest::of(&bytes) != found.component {
            return Err(OciError::Digest(self.reference.clone()));
        }
        Ok(bytes.freeze())
    }

    /// Puts a component there. What the registry has already is not sent again.
    ///
    /// # Errors
    /// When the registry does not take it.
    pub async fn push(&self, wasm: Bytes, interfaces: &Interfaces) -> Result<Pushed, OciError> {
        let (reference, bytes) = (self.reference.inner(), wasm.len());
        if bytes as u64 > COMPONENT_BYTES_MAX {
            return Err(OciError::TooLarge { reference: self.reference.clone(), bytes: bytes as u64 });
        }
        let component = Digest::of(&wasm);
        let made = artifact::made(component, bytes, interfaces);
        let [manifest, config] = made.map_err(|error| self.error(&error.into()))?;
        let digest = Digest::of(&manifest);
        let push = async {
            self.client.auth(reference, &self.credentials, RegistryOperation::Push).await?;
            for blob in [wasm, config.into()] {
                let digest = Digest::of(&blob).to_string();
                if !self.client.blob_exists(reference, &digest).await? {
                    self.client.push_blob(reference, blob, &digest).await?;
                }
            }
            self.client.push_manifest_raw(reference, manifest, HeaderValue::from_static(OCI_IMAGE_MEDIA_TYPE)).await
        };
        push.await.map_err(|error| self.error(&error))?;
        Ok(Pushed { manifest: digest, component })
    }

    fn error(&self, error: &oci_client::errors::OciDistributionError) -> OciError {
        OciError::of(&self.reference, error)
    }

    /// A stream that ended early: its last error says why, a wrong digest among others.
    fn broken(&self, error: &std::io::Error) -> OciError {
        match error.get_ref() {
            Some(inner) if inner.is::<oci_client::errors::DigestError>() => OciError::Digest(self.reference.clone()),
            _ => OciError::Unavailable { registry: self.reference.registry().to_owned(), reason: error.to_string() },
        }
    }
}
