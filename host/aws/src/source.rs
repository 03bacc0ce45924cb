//! Where credentials come from.
//!
//! Invariant: there is one list of sources: what an operator may write is what is asked.

use std::{fmt, str::FromStr};

/// A place that credentials come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The first of the others that has any, in their order.
    Chain,
    /// Variables of the host.
    Environment,
    /// A profile of the files that AWS's own programs read, and what it leads to.
    Profile,
    /// A token of somebody else's, given for them by AWS's security token service.
    WebIdentity,
    /// Whoever gives them to a container: ECS, and EKS by its agent.
    Container,
    /// The metadata service of an instance.
    Instance,
}

/// A text that is no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no source of credentials")]
pub struct NotSource(String);

impl Source {
    /// All of them, by name.
    pub const NAMES: [&str; 6] = ["chain", "environment", "profile", "web-identity", "container", "instance"];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Environment => "environment",
            Self::Profile => "profile",
            Self::WebIdentity => "web-identity",
            Self::Container => "container",
            Self::Instance => "instance",
        }
    }

    /// Whether what it gives comes of a region: that of the security token service.
    pub(crate) const fn is_regional(self) -> bool {
        matches!(self, Self::Chain | Self::Profile | Self::WebIdentity)
    }

    /// What it is, for people.
    pub(crate) const fn place(self) -> &'static str {
        match self {
            Self::Chain => "any place where AWS's own programs look",
            Self::Environment => "the host's variables",
            Self::Profile => "the host's profile",
            Self::WebIdentity => "the host's web identity",
            Self::Container => "the host's container",
            Self::Instance => "the instance's metadata service",
        }
    }

    /// What makes it have some.
    pub(crate) const fn help(self) -> &'static str {
        match self {
            Self::Chain => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write a profile, or give the machine a role, or name a `secret` of the tenant"
            }
            Self::Environment => "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            Self::Profile => "write it into ~/.aws/credentials or ~/.aws/config, or name another one by AWS_PROFILE",
            Self::WebIdentity => "set AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN",
            Self::Container => "set AWS_CONTAINER_CREDENTIALS_FULL_URI or AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            Self::Instance => {
                "give the instance a role, and let IMDSv2 be reached from here (a container needs a hop limit of 2)"
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Source {
    type Err = NotSource;

    fn from_str(text: &str) -> Result<Self, NotSource> {
        match text {
            "chain" => Ok(Self::Chain),
            "environment" => Ok(Self::Environment),
            "profile" => Ok(Self::Profile),
            "web-identity" => Ok(Self::WebIdentity),
            "container" => Ok(Self::Container),
            "instance" => Ok(Self::Instance),
            other => Err(NotSource(other.chars().take(64).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_by_its_name_and_by_no_other() {
        for name in Source::NAMES {
            assert_eq!(name.parse::<Source>().unwrap().name(), name);
        }
        assert_eq!("imds".parse::<Source>().unwrap_err().to_string(), "`imds` is no source of credentials");
    }
}
