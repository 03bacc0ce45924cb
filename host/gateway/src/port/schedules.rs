//! Port: schedules, read and changed.

use std::future::Future;

use bytes::Bytes;
use wharf_event::{ScheduleName, TenantName};

use super::{Expected, Put, Refusal};
use crate::view::ScheduleView;

/// One schedule by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRef {
    /// Whose schedule.
    pub tenant: TenantName,
    /// The schedule.
    pub schedule: ScheduleName,
}

/// Reads and changes a tenant's schedules. A change holds for every due time after its answer.
pub trait Schedules: Clone + Send + Sync + 'static {
    /// The schedules by name, those behind `after` only, at most `limit`. Only an empty page is the end.
    fn schedules(
        &self,
        tenant: &TenantName,
        after: Option<ScheduleName>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<ScheduleView>, Refusal>> + Send;

    /// One schedule.
    fn schedule(&self, of: ScheduleRef) -> impl Future<Output = Result<ScheduleView, Refusal>> + Send;

    /// Puts a schedule in the place of the one that has its name: `document` is JSON as it was sent. An equal one changes nothing.
    fn put_schedule(
        &self,
        of: ScheduleRef,
        document: Bytes,
        expected: Expected,
    ) -> impl Future<Output = Result<Put<ScheduleView>, Refusal>> + Send;

    /// Removes a schedule.
    fn remove_schedule(&self, of: ScheduleRef, expected: Expected) -> impl Future<Output = Result<(), Refusal>> + Send;
}
