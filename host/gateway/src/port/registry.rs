//! Port: plugins, their releases and channels.

use std::future::Future;

use bytes::Bytes;
use futures_util::{Stream, stream::BoxStream};
use wharf_event::{ChannelName, Digest, PluginName, TenantName};

use super::{Expected, Refusal};
use crate::view::{PluginDetail, PluginView, Promotion, ReleaseView, RollBack};

/// One plugin by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginRef {
    /// Whose plugin.
    pub tenant: TenantName,
    /// The plugin.
    pub plugin: PluginName,
}

/// One release of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRef {
    /// Of which plugin.
    pub of: PluginRef,
    /// Its digest.
    pub release: Digest,
}

/// What is said about a release when it is uploaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadNote {
    /// Its version.
    pub version: Option<String>,
    /// A message.
    pub message: Option<String>,
    /// Who vouches for it: the texts of signatures over its digest.
    pub signatures: Vec<String>,
}

/// A plugin whose settings were put.
#[derive(Clone, Debug)]
pub struct PluginPut {
    /// The plugin as it is from now on.
    pub plugin: PluginDetail,
    /// Whether there was none of that name.
    pub created: bool,
}

/// A wish about which release gets which traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelWish {
    /// A release gets all of it, or a part.
    Promote(Promotion),
    /// Back to what was before.
    RollBack(RollBack),
    /// A channel of the plugin's own goes.
    Close(ChannelName),
}

/// Reads and changes a tenant's plugins, and takes their releases. A change holds for every attempt that begins after its answer.
pub trait Registry: Clone + Send + Sync + 'static {
    /// The plugins by name, those behind `after` only, at most `limit`. Only an empty page is the end.
    fn plugins(
        &self,
        tenant: &TenantName,
        after: Option<PluginName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<PluginView>, Refusal>> + Send;

    /// One plugin.
    fn plugin(&self, of: PluginRef) -> impl Future<Output = Result<PluginDetail, Refusal>> + Send;

    /// Puts the settings of a plugin: `settings` is JSON as it was sent. Its releases and channels stay.
    fn put_plugin(
        &self,
        of: PluginRef,
        settings: Bytes,
        expected: Expected,
    ) -> impl Future<Output = Result<PluginPut, Refusal>> + Send;

    /// Removes a plugin with its releases.
    fn remove_plugin(&self, of: PluginRef, expected: Expected) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// All releases of a plugin, the newest first.
    fn releases(&self, of: PluginRef) -> impl Future<Output = Result<Vec<ReleaseView>, Refusal>> + Send;

    /// One release.
    fn release(&self, of: ReleaseRef) -> impl Future<Output = Result<ReleaseView, Refusal>> + Send;

    /// One release, and every state that it is seen in until it is at rest.
    fn follow(&self, of: ReleaseRef) -> impl Future<Output = Result<BoxStream<'static, ReleaseView>, Refusal>> + Send;

    /// Takes a release's component. Of one that the tenant sent before nothing is read. It answers when the bytes are durable; whether they can run is found
    /// out behind that.
    fn upload(
        &self,
        of: ReleaseRef,
        note: UploadNote,
        bytes: impl Stream<Item = Result<Bytes, Refusal>> + Send + Unpin + 'static,
    ) -> impl Future<Output = Result<ReleaseView, Refusal>> + Send;

    /// Changes which release gets which traffic.
    fn change_channels(
        &self,
        of: PluginRef,
        wish: ChannelWish,
    ) -> impl Future<Output = Result<PluginDetail, Refusal>> + Send;

    /// Lets the quarantined releases of a plugin run again, and says which those are.
    fn lift_quarantine(&self, of: PluginRef) -> impl Future<Output = Result<Vec<Digest>, Refusal>> + Send;
}
