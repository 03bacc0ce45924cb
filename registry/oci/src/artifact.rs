//! The Wasm OCI Artifact Layout: a manifest with one configuration and one layer, the component.
//!
//! Invariant: the same component gives the same bytes, whoever pushes it and when. It does no I/O.

use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use serde::Serialize;
use wharf_event::Digest;

use crate::{limits::COMPONENT_BYTES_MAX, registry::Interfaces};

/// What the configuration is.
const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";

/// What the component is.
const COMPONENT_TYPE: &str = "application/wasm";

/// The time of a configuration has to be there. It would make two artifacts of one component, so it is always this one.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// A manifest that is none of a component.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotComponent {
    /// It is of something else.
    #[error("{0}")]
    Foreign(String),
    /// It is larger than a host takes.
    #[error("the component has {0} bytes")]
    TooLarge(u64),
}

/// The component of a manifest: its digest and its bytes.
pub fn component(manifest: &[u8]) -> Result<(OciDescriptor, Digest, u64), NotComponent> {
    let foreign = |what: String| NotComponent::Foreign(what);
    let manifest: OciImageManifest = serde_json::from_slice(manifest)
        .map_err(|error| foreign(format!("its manifest is not understood: {error}")))?;
    if manifest.config.media_type != CONFIG_TYPE {
        return Err(foreign(format!("its configuration is `{}`, not `{CONFIG_TYPE}`", manifest.config.media_type)));
    }
    let layers = manifest.layers.len();
    let (Some(layer), 1) = (manifest.layers.into_iter().next(), layers) else {
        return Err(foreign(format!("it has {layers} layers, and a component is one")));
    };
    if layer.media_type != COMPONENT_TYPE {
        return Err(foreign(format!("its layer is `{}`, not `{COMPONENT_TYPE}`", layer.media_type)));
    }
    let digest = layer.digest.parse();
    let digest =
        digest.map_err(|_| foreign(format!("its layer has the digest `{}`, which is no SHA-256", layer.digest)))?;
    let bytes = u64::try_from(layer.size).map_err(|_| foreign("its layer has less than no bytes".to_owned()))?;
    if bytes > COMPONENT_BYTES_MAX {
        return Err(NotComponent::TooLarge(bytes));
    }
    Ok((layer, digest, bytes))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
    component: &'a Interfaces,
}

/// The manifest of a component, and its configuration.
///
/// # Errors
/// None that a component could bring about.
pub fn made(component: Digest, bytes: usize, interfaces: &Interfaces) -> serde_json::Result<[Vec<u8>; 2]> {
    let config = serde_json::to_vec(&Config {
        created: CREATED,
        architecture: "wasm",
        // The layout knows `wasip1`, which is core modules, and this.
        os: "wasip2",
        layer_digests: [component.to_string()],
        component: interfaces,
    })?;
    let descriptor = |media_type: &str, digest: Digest, bytes: usize| OciDescriptor {
        media_type: media_type.to_owned(),
        digest: digest.to_string(),
        size: i64::try_from(bytes).unwrap_or(i64::MAX),
        ..OciDescriptor::default()
    };
    let manifest = serde_json::to_vec(&OciImageManifest {
        schema_version: 2,
        media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
        config: descriptor(CONFIG_TYPE, Digest::of(&config), config.len()),
        layers: vec![descriptor(COMPONENT_TYPE, component, bytes)],
        subject: None,
        artifact_type: None,
        annotations: None,
    })?;
    Ok([manifest, config])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> String {
        let interfaces =
            Interfaces { imports: vec!["wasi:config/store".to_owned()], exports: vec!["a:b/c".to_owned()] };
        let [manifest, config] = made(Digest::of(b"x"), 1, &interfaces).unwrap();
        let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["layerDigests"][0], Digest::of(b"x").to_string());
        assert_eq!((&config["architecture"], &config["os"]), (&"wasm".into(), &"wasip2".into()));
        assert_eq!(config["component"]["imports"][0], "wasi:config/store");
        String::from_utf8(manifest).unwrap()
    }

    #[test]
    fn what_is_made_is_read() {
        let (_, digest, bytes) = component(manifest().as_bytes()).unwrap();
        assert_eq!((digest, bytes), (Digest::of(b"x"), 1));
        assert_eq!(manifest(), manifest());
    }

    #[test]
    fn what_is_no_component_is_told_by_what_it_is() {
        let made = manifest();
        let foreign = |manifest: &str| match component(manifest.as_bytes()).unwrap_err() {
            NotComponent::Foreign(what) => what,
            NotComponent::TooLarge(bytes) => bytes.to_string(),
        };
        let layers = |layers: &str| {
            let (head, rest) = made.split_once("\"layers\":[").unwrap();
            let (layer, tail) = rest.split_once(']').unwrap();
            format!("{head}\"layers\":[{}]{tail}", layers.replace("LAYER", layer))
        };
        assert!(foreign("{}").starts_with("its manifest is not understood"));
        let image = made.replace(CONFIG_TYPE, "application/vnd.oci.image.config.v1+json");
        assert!(foreign(&image).starts_with("its configuration is `application/vnd.oci.image"));
        assert_eq!(foreign(&layers("")), "it has 0 layers, and a component is one");
        assert_eq!(foreign(&layers("LAYER,LAYER")), "it has 2 layers, and a component is one");
        let tar = made.replace(COMPONENT_TYPE, "application/x-tar");
        assert!(foreign(&tar).starts_with("its layer is `application/x-tar`"), "{tar}");
        assert_eq!(foreign(&made.replace("\"size\":1}", "\"size\":67108865}")), "67108865");
        assert_eq!(foreign(&made.replace("\"size\":1}", "\"size\":-1}")), "its layer has less than no bytes");
        let digest = Digest::of(b"x").to_string();
        assert!(foreign(&made.replace(&digest, "sha512:0")).ends_with("which is no SHA-256"));
    }
}
