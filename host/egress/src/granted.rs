//! Networks that an operator lets be reached though they are not public. Invariant: nothing is granted by default, and where two parties
//! have a say, what one of them leaves out is not granted.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::limits::NETWORKS_MAX;

/// Networks that may be reached though they are not public.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted(Vec<IpNet>);

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNetwork {
    /// It is none.
    #[error("`{0}` is no network: it is an address, or an address with the length of its prefix, as in 10.1.0.0/16")]
    Text(String),
    /// Bits behind the prefix are set, so that it is not clear what is meant.
    #[error("`{0}` has bits behind its prefix: the network is {1}")]
    Bits(String, IpNet),
    /// There are too many.
    #[error("at most {NETWORKS_MAX} networks can be named")]
    TooMany,
}

impl Granted {
    /// Networks, by their texts.
    ///
    /// # Errors
    /// At the first that is none, or when there are too many.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, NotNetwork> {
        let mut networks = Vec::new();
        for text in texts {
            if networks.len() == NETWORKS_MAX {
                return Err(NotNetwork::TooMany);
            }
            networks.push(network(text)?);
        }
        Ok(Self(networks))
    }

    /// Whether an address is in one of them.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether an address is one of them: a network of one.
    #[must_use]
    pub fn names(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.prefix_len() == network.max_prefix_len() && network.addr() == address)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first of these that does not lie within the others.
    #[must_use]
    pub fn beyond(&self, others: &Self) -> Option<IpNet> {
        self.0.iter().find(|network| !others.0.iter().any(|other| other.contains(*network))).copied()
    }

    /// Those of these that lie within the others.
    #[must_use]
    pub fn within(&self, others: &Self) -> Self {
        let inside = |network: &&IpNet| others.0.iter().any(|other| other.contains(*network));
        Self(self.0.iter().filter(inside).copied().collect())
    }

    /// Their texts.
    pub fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(ToString::to_string)
    }
}

fn network(text: &str) -> Result<IpNet, NotNetwork> {
    let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let network = parsed.map_err(|_| NotNetwork::Text(text.chars().take(64).collect()))?;
    let plain = network.trunc();
    if plain != network {
        return Err(NotNetwork::Bits(text.to_owned(), plain));
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(texts: &[&str]) -> Granted {
        Granted::parse(texts.iter().copied()).unwrap()
    }

    #[test]
    fn what_is_written_is_what_is_granted() {
        let both = granted(&["10.1.0.0/16", "fd00::1"]);
        assert!(both.has("10.1.2.3".parse().unwrap()) && both.has("fd00::1".parse().unwrap()));
        assert!(!both.has("10.2.0.1".parse().unwrap()) && !both.has("fd00::2".parse().unwrap()));
        assert!(both.names("fd00::1".parse().unwrap()) && !both.names("10.1.0.0".parse().unwrap()));
        assert_eq!(both.texts().collect::<Vec<_>>(), ["10.1.0.0/16", "fd00::1/128"]);
        let refused = |text: &str| Granted::parse([text]).unwrap_err().to_string();
        assert!(refused("10.1.0.0/33").starts_with("`10.1.0.0/33` is no network"));
        assert!(refused("intern.example").starts_with("`intern.example` is no network"));
        assert_eq!(refused("10.1.2.3/16"), "`10.1.2.3/16` has bits behind its prefix: the network is 10.1.0.0/16");
        let many = vec!["10.0.0.0/8"; NETWORKS_MAX + 1];
        assert_eq!(Granted::parse(many), Err(NotNetwork::TooMany));
    }

    #[test]
    fn what_one_party_leaves_out_is_not_granted() {
        let asked = granted(&["10.1.0.0/16", "192.168.0.0/16"]);
        let operator = granted(&["10.0.0.0/8"]);
        assert_eq!(asked.beyond(&operator).unwrap().to_string(), "192.168.0.0/16");
        assert_eq!(asked.within(&operator), granted(&["10.1.0.0/16"]));
        assert_eq!(
            operator.beyond(&asked).unwrap().to_string(),
            "10.0.0.0/8",
            "a larger network is beyond a smaller one"
        );
        assert!(asked.within(&Granted::default()).is_empty());
    }
}
