//! What tokens cost, from the configuration. Nothing is built in: providers change their prices, and a wrong number is
//! worse than none.

use strawboss_core::run::Usage;

/// A model's prices in US dollars per million tokens, which is the same number as millionths of a dollar per token.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// For a token read that no cache held.
    pub input: f64,
    /// For a token written.
    pub output: f64,
    /// For a token read from the provider's cache.
    #[serde(default)]
    pub cache_read: f64,
    /// For a token written to the provider's cache.
    #[serde(default)]
    pub cache_write: f64,
}

/// Prices by the beginning of the model's name; the longest beginning that fits counts.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    by_prefix: Vec<(String, Price)>,
}

impl FromIterator<(String, Price)> for Prices {
    fn from_iter<T: IntoIterator<Item = (String, Price)>>(prices: T) -> Self {
        let mut by_prefix: Vec<_> = prices.into_iter().collect();
        by_prefix.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Self { by_prefix }
    }
}

impl Prices {
    /// What a request cost in millionths of a dollar, rounded up; 0 when the model has no price.
    pub fn cost_microusd(&self, model: &str, usage: &Usage) -> u64 {
        let Some((_, price)) = self.by_prefix.iter().find(|(prefix, _)| model.starts_with(prefix.as_str())) else { return 0 };
        let cost = [
            (usage.input_tokens, price.input),
            (usage.output_tokens, price.output),
            (usage.cache_read_tokens, price.cache_read),
            (usage.cache_write_tokens, price.cache_write),
        ]
        .into_iter()
        .map(|(tokens, price)| tokens as f64 * price.max(0.0))
        .sum::<f64>();
        // `as` saturates, and takes what is no number for 0. The small allowance is for sums like 0.1 + 0.2.
        (cost - 1e-6).ceil().max(0.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::{Price, Prices};
    use strawboss_core::run::Usage;

    #[test]
    fn the_longest_beginning_counts() {
        let price = |input, output| Price { input, output, cache_read: 0.3, cache_write: 3.75 };
        let prices: Prices =
            [("claude-sonnet-4".to_owned(), price(3.0, 15.0)), ("claude-sonnet-4-5".to_owned(), price(2.0, 10.0))]
                .into_iter()
                .collect();
        let usage = Usage {
            requests: 1,
            input_tokens: 1000,
            output_tokens: 100,
            cache_read_tokens: 10,
            cache_write_tokens: 4,
            cost_microusd: 0,
        };
        assert_eq!(prices.cost_microusd("claude-sonnet-4-20250514", &usage), 3000 + 1500 + 3 + 15);
        assert_eq!(prices.cost_microusd("claude-sonnet-4-5-x", &usage), 2000 + 1000 + 3 + 15);
        assert_eq!(prices.cost_microusd("gpt", &usage), 0);
        let much = Usage { input_tokens: u64::MAX, ..usage };
        assert_eq!(prices.cost_microusd("claude-sonnet-4", &much), u64::MAX);
    }
}
