//! The vocabulary of Wharf: CloudEvents 1.0.2, the names, positions and digests that other crates speak of, and the one
//! registry of stable codes. Invariant: an `Event` that exists obeys the attribute rules and the size limits, however it
//! came to be. Pure: no I/O, no clock, no randomness; it knows no HTTP library and no store.

mod asks;
mod attribute;
mod builder;
mod catch_up;
mod code;
mod codec;
mod declared;
mod digest;
mod edited;
mod envelope;
mod error;
mod event;
mod grants;
mod http;
mod http_access;
mod json;
pub mod limits;
mod marks;
mod media;
mod names;
mod ordering;
mod percent;
mod plugin_at;
mod position;
mod render;
mod route_path;
mod said_line;
mod secret_use;
mod signing;
mod target;
mod webhook;

pub use asks::{Asks, Missing, NEEDS_SECTION, NeedsError, needs_from_json};
pub use attribute::AttributeValue;
pub use builder::EventBuilder;
pub use catch_up::{CatchUp, NoCatchUp};
pub use code::{Code, UnknownCode};
pub use codec::DecodeError;
pub use declared::{Declared, DeclaredError, DeclaredRetry, HANDLER_SECTION, declared_from_json};
pub use digest::{Digest, DigestError, Hashing};
pub use envelope::named_here;
pub use error::{AttributeReason, EventError, HeaderReason};
pub use event::{Data, Event};
pub use grants::{BucketAccess, EventTypes, GrantBounds, GrantError, Grants};
pub use http::Mode;
pub use http_access::{HttpAccess, HttpAccessError, HttpAsked};
pub use json::{batch_elements, batch_from_json};
pub use marks::{EDITED_ATTRIBUTE, REPLAY_ATTRIBUTE, SCHEMA_ATTRIBUTE, SCHEMA_VIOLATED, is_mark};
pub use media::is_json;
pub use names::{
    BucketName, BusName, ChannelName, ModelName, NameError, NameReason, PluginName, PromptName, ProviderName,
    QueueName, ReplayName, RouteName, RuleName, ScheduleName, SchemaName, SecretName, SigningKeyName, SubscriptionName,
    TenantName, TopicName, WebhookName,
};
pub use ordering::OrderingKey;
pub use plugin_at::PluginAt;
pub use position::{Position, PositionError};
pub use route_path::{RoutePath, RoutePathError};
pub use said_line::SaidLine;
pub use secret_use::{SecretPlace, SecretUse, SecretUseError};
pub use signing::{NoPolicy, SignaturePolicy};
pub use target::Target;
pub use webhook::{NoWebhookMode, WebhookMode};
