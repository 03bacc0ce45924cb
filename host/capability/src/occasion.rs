//! What a call of a plugin is made for: a delivery that is tried, or a request that is answered.

use std::{fmt, sync::Arc};

use wharf_delivery::DeliveryId;

/// What a call is made for. As text it is unique: what the host does for the call is named by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A delivery, in every attempt of it the same.
    Delivery(DeliveryId),
    /// A request of a route, by the id that the host gave it.
    Request(Arc<str>),
}

impl Occasion {
    /// The delivery, if it is one.
    #[must_use]
    pub fn delivery(&self) -> Option<DeliveryId> {
        match self {
            Self::Delivery(delivery) => Some(*delivery),
            Self::Request(_) => None,
        }
    }

    /// The request, if it is one.
    pub(crate) fn request(&self) -> Option<&str> {
        match self {
            Self::Delivery(_) => None,
            Self::Request(request) => Some(request),
        }
    }
}

impl From<DeliveryId> for Occasion {
    fn from(delivery: DeliveryId) -> Self {
        Self::Delivery(delivery)
    }
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivery(delivery) => write!(f, "{delivery}"),
            Self::Request(request) => f.write_str(request),
        }
    }
}
