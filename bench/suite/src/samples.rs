//! What was measured, several times.

use serde_json::{Value, json};

/// Values of one quantity, sorted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Of any order; those that are no numbers are left out.
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        values.retain(|value| value.is_finite());
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// A single one.
    pub(crate) fn one(value: f64) -> Self {
        Self::new(vec![value])
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value below which a share of them lies, by nearest rank; NaN when there is none.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1) as f64;
        self.0.get((last * share).round() as usize).copied().unwrap_or(f64::NAN)
    }

    /// The middle one.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The least.
    pub(crate) fn min(&self) -> f64 {
        self.quantile(0.0)
    }

    /// The greatest.
    pub(crate) fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// Each less this.
    pub(crate) fn less(&self, by: f64) -> Self {
        Self::new(self.0.iter().map(|value| value - by).collect())
    }

    /// For results.json.
    pub(crate) fn json(&self) -> Value {
        json!({ "repetitions": self.len(), "median": self.median(), "min": self.min(), "max": self.max(), "p99": self.quantile(0.99) })
    }
}

#[cfg(test)]
mod tests {
    use super::Samples;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let samples = Samples::new(vec![5.0, 1.0, f64::NAN, 3.0, 2.0, 4.0]);
        assert_eq!((samples.len(), samples.min(), samples.median(), samples.max()), (5, 1.0, 3.0, 5.0));
        assert!((samples.less(1.0).median() - 2.0).abs() < f64::EPSILON);
        assert!(Samples::new(vec![]).median().is_nan());
    }
}
