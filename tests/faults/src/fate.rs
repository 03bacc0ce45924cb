//! What a power cut leaves of the changes that were not synced.

/// The rule by which it is decided. The same rule and the same disk give the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    LoseAll,
    /// Everything.
    KeepAll,
    /// Each sector by the throw of a coin, with this seed: torn, reordered and dropped writes.
    Torn(u64),
    /// Each write as a whole by the throw of a coin, with this seed: dropped and reordered, never torn.
    Whole(u64),
    /// Everything up to one change, which this seed chooses and which is torn, over all files.
    InOrder(u64),
}

/// Decides about one pending thing after the other.
pub(crate) struct Coin {
    fate: Fate,
    bits: u64,
    /// The change that [`Fate::InOrder`] tears.
    cut: u64,
    /// What is decided about the change at hand; absent where each sector is thrown for.
    whole: Option<bool>,
}

impl Coin {
    /// A coin for the changes of these numbers, in rising order.
    pub(crate) fn new(fate: Fate, numbers: &[u64]) -> Self {
        let seed = match fate {
            Fate::LoseAll | Fate::KeepAll => 0,
            Fate::Torn(seed) | Fate::Whole(seed) | Fate::InOrder(seed) => seed,
        };
        let mut coin = Self { fate, bits: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, cut: u64::MAX, whole: None };
        coin.throw();
        let chosen = (coin.bits >> 8) % (numbers.len() as u64 + 1);
        coin.cut = usize::try_from(chosen).ok().and_then(|at| numbers.get(at)).copied().unwrap_or(u64::MAX);
        coin
    }

    /// Goes on to the change of that number.
    pub(crate) fn begin(&mut self, number: u64) {
        self.whole = match self.fate {
            Fate::LoseAll => Some(false),
            Fate::KeepAll => Some(true),
            Fate::Torn(_) => None,
            Fate::Whole(_) => Some(self.throw()),
            Fate::InOrder(_) if number == self.cut => None,
            Fate::InOrder(_) => Some(number < self.cut),
        };
    }

    /// Whether the next piece of the change at hand is kept.
    pub(crate) fn keeps(&mut self) -> bool {
        self.whole.unwrap_or_else(|| self.throw())
    }

    fn throw(&mut self) -> bool {
        self.bits ^= self.bits << 13;
        self.bits ^= self.bits >> 7;
        self.bits ^= self.bits << 17;
        self.bits >> 32 & 1 == 1
    }
}
