//! Size classes of cells: few enough that a chunk for each costs little, near enough that little is wasted.
//!
//! Up to 16 words each size is a class of its own. From there on each power of two is divided into eight, so a
//! cell takes at most an eighth more than it needs:
//!
//! ```text
//! 1 2 3 .. 16 | 18 20 .. 32 | 36 40 .. 64 | 72 80 .. 128 | ..
//! ```

/// Up to here each size is a class of its own.
const EXACT_MAX: usize = 16;
/// Classes between two powers of two.
const STEPS: usize = 8;

/// A class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SizeClass {
    index: u8,
    words: u16,
}

impl SizeClass {
    /// How many classes there are.
    pub(super) const COUNT: usize = Self::of_words(Self::WORDS_MAX).index as usize + 1;
    /// Words of the largest class.
    pub(super) const WORDS_MAX: usize = 4096;

    /// The smallest class for a cell of `words` words; `None` if it is larger than the largest.
    pub(super) fn of(words: usize) -> Option<Self> {
        (words <= Self::WORDS_MAX).then(|| Self::of_words(words))
    }

    #[expect(clippy::cast_possible_truncation, reason = "WORDS_MAX is small")]
    const fn of_words(words: usize) -> Self {
        if words <= EXACT_MAX {
            return Self { index: words as u8, words: words as u16 };
        }
        // The largest power of two below `words`: 16, 32, ..
        let power = (words - 1).ilog2();
        let step = (1_usize << power) / STEPS;
        let steps = words.div_ceil(step); // 9 to 16
        let index = EXACT_MAX + (power - EXACT_MAX.ilog2()) as usize * STEPS + steps - STEPS;
        Self { index: index as u8, words: (steps * step) as u16 }
    }

    /// Its number, below [`Self::COUNT`].
    pub(super) fn index(self) -> usize {
        self.index.into()
    }

    /// Words that each of its cells takes.
    pub(super) fn words(self) -> usize {
        self.words.into()
    }
}

#[cfg(test)]
#[cfg(not(any(model_loom, shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn every_size_fits_its_class_and_wastes_an_eighth_at_most() {
        let mut last = 0;
        for words in 1..=SizeClass::WORDS_MAX {
            let class = SizeClass::of(words).unwrap();
            assert!(class.words() >= words && class.words() <= words + words / STEPS, "{words}");
            assert!(class.index() == last || class.index() == last + 1, "{words}: {class:?}");
            assert_eq!(
                SizeClass::of(class.words()),
                Some(class),
                "a class is that of its own size"
            );
            last = class.index();
        }
        assert_eq!(last + 1, SizeClass::COUNT);
        assert_eq!(SizeClass::of(SizeClass::WORDS_MAX + 1), None);
    }
}
