//! Known bugs that can be switched in, to show that each is found.
//!
//! Those that can live outside the product do: on the disk, and in the options. The others are fenced in the product by the
//! feature `mutations`.

use std::str::FromStr;

/// A known bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A sync of the log's files does nothing and reports success.
    Fsync,
    /// After a restart the deduplication index forgets after a tenth of its window.
    Dedup,
    /// First leases of one target leave log order.
    Order,
    /// A delivery is leased twice, and the number of its attempt is not checked.
    Lease,
    /// A settle loses one of its writes.
    Settle,
    /// Of a tenant that is deleted its values stay.
    Erase,
    /// A receipt is good for a lease that came later.
    Receipt,
    /// What a replay brings first does not move its cursor.
    Replay,
    /// An event that is owed to very many passes one of them over.
    Fan,
    /// What a call with messages of a queue read may have changed.
    Batch,
    /// What a request brings is taken again, however well it is known.
    Serve,
    /// Of those that wait behind others of a rule's ordering key the last one is next.
    Line,
    /// What was asked for a batch goes with the message that it is kept of.
    Share,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Fsync,
        Self::Dedup,
        Self::Order,
        Self::Lease,
        Self::Settle,
        Self::Erase,
        Self::Receipt,
        Self::Replay,
        Self::Fan,
        Self::Batch,
        Self::Serve,
        Self::Line,
        Self::Share,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Dedup => "dedup",
            Self::Order => "order",
            Self::Lease => "lease",
            Self::Settle => "settle",
            Self::Erase => "erase",
            Self::Receipt => "receipt",
            Self::Replay => "replay",
            Self::Fan => "fan",
            Self::Batch => "batch",
            Self::Serve => "serve",
            Self::Line => "line",
            Self::Share => "share",
        }
    }

    /// Switches in what of it is in the product, for this process. False when the product was built without it.
    #[must_use]
    pub fn switch_in(self) -> bool {
        match self {
            Self::Fsync | Self::Dedup => true,
            #[cfg(feature = "mutations")]
            Self::Order => wharf_delivery::mutation::switch_in(wharf_delivery::mutation::Bug::Order),
            #[cfg(feature = "mutations")]
            Self::Lease => wharf_delivery::mutation::switch_in(wharf_delivery::mutation::Bug::Lease),
            #[cfg(feature = "mutations")]
            Self::Settle => wharf_delivery::mutation::switch_in(wharf_delivery::mutation::Bug::Settle),
            #[cfg(feature = "mutations")]
            Self::Erase => wharf_delivery::mutation::switch_in(wharf_delivery::mutation::Bug::Erase),
            #[cfg(feature = "mutations")]
            Self::Receipt => wharf_delivery::mutation::switch_in(wharf_delivery::mutation::Bug::Receipt),
            #[cfg(feature = "mutations")]
            Self::Replay => wharf_delivery::mutation::switch_in(wharf_delivery::mutation::Bug::Replay),
            #[cfg(feature = "mutations")]
            Self::Fan => wharf_delivery::mutation::switch_in(wharf_delivery::mutation::Bug::Fan),
            #[cfg(feature = "mutations")]
            Self::Batch => wharf_delivery::mutation::switch_in(wharf_delivery::mutation::Bug::Batch),
            #[cfg(feature = "mutations")]
            Self::Serve => wharf_delivery::mutation::switch_in(wharf_delivery::mutation::Bug::Serve),
            #[cfg(feature = "mutations")]
            Self::Line => wharf_delivery::mutation::switch_in(wharf_delivery::mutation::Bug::Line),
            #[cfg(feature = "mutations")]
            Self::Share => wharf_delivery::mutation::switch_in(wharf_delivery::mutation::Bug::Share),
            #[cfg(not(feature = "mutations"))]
            Self::Order
            | Self::Lease
            | Self::Settle
            | Self::Erase
            | Self::Receipt
            | Self::Replay
            | Self::Fan
            | Self::Batch
            | Self::Serve
            | Self::Line
            | Self::Share => false,
        }
    }
}

impl FromStr for Mutation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|mutation| mutation.name() == text);
        found.ok_or_else(|| format!("there is no mutation `{text}`; there are {}", names()))
    }
}
