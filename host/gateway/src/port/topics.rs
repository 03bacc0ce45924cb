//! Port: topics and their subscriptions. What is published to a topic is taken by [`Intake`](super::Intake), as for a bus.

use std::future::Future;

use bytes::Bytes;
use wharf_event::{Event, SubscriptionName, TenantName, TopicName};

use super::{Expected, Put, Refusal};
use crate::view::{RuleVerdict, SubscriptionView, TopicView};

/// One topic by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRef {
    /// Whose topic.
    pub tenant: TenantName,
    /// The topic.
    pub topic: TopicName,
}

/// One subscription by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRef {
    /// Of which topic.
    pub of: TopicRef,
    /// The subscription.
    pub subscription: SubscriptionName,
}

/// Reads and changes a tenant's topics. A change holds for every event that is accepted after its answer.
pub trait Topics: Clone + Send + Sync + 'static {
    /// The topics by name, those behind `after` only, at most `limit`. Only an empty page is the end.
    fn topics(
        &self,
        tenant: &TenantName,
        after: Option<TopicName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<TopicView>, Refusal>> + Send;

    /// One topic.
    fn topic(&self, of: TopicRef) -> impl Future<Output = Result<TopicView, Refusal>> + Send;

    /// Makes a topic, or changes it: `document` is JSON as it was sent.
    fn put_topic(
        &self,
        of: TopicRef,
        document: Bytes,
        expected: Expected,
    ) -> impl Future<Output = Result<Put<TopicView>, Refusal>> + Send;

    /// Removes a topic with its subscriptions.
    fn remove_topic(&self, of: TopicRef, expected: Expected) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// The subscriptions of a topic by name, those behind `after` only, at most `limit`. Only an empty page is the end.
    fn subscriptions(
        &self,
        of: TopicRef,
        after: Option<SubscriptionName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<SubscriptionView>, Refusal>> + Send;

    /// One subscription.
    fn subscription(&self, of: SubscriptionRef) -> impl Future<Output = Result<SubscriptionView, Refusal>> + Send;

    /// Puts a subscription in the place of the one that has its name: `document` is JSON as it was sent. An equal one changes nothing.
    fn put_subscription(
        &self,
        of: SubscriptionRef,
        document: Bytes,
        expected: Expected,
    ) -> impl Future<Output = Result<Put<SubscriptionView>, Refusal>> + Send;

    /// What a subscription says to an event, which is not published.
    fn explain_subscription(
        &self,
        of: SubscriptionRef,
        event: Event,
    ) -> impl Future<Output = Result<RuleVerdict, Refusal>> + Send;

    /// Removes a subscription.
    fn remove_subscription(
        &self,
        of: SubscriptionRef,
        expected: Expected,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;
}
