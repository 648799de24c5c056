//! A cell: what was typed into it, and what shows.

use serde_json::{Value, json};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Cell {
    /// What was typed, as Google has it; none in a cell that a formula beside it fills.
    pub(super) entered: Option<Value>,
    pub(super) shown: String,
    pub(super) number: Option<f64>,
    /// The kind of an error, as `REF`.
    pub(super) error: Option<&'static str>,
    /// `DATE` for days.
    pub(super) format: Option<&'static str>,
}

impl Cell {
    /// As when a person types.
    pub(super) fn typed(text: &str) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        // The one formula that is understood here.
        if text == "=NOW()" {
            return Self::formula(text, "now", None);
        }
        if text.starts_with('=') {
            return Self::formula(text, "#NAME?", Some("NAME"));
        }
        if let Some(number) = text.parse::<f64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
        {
            return Self { shown: text.to_owned(), ..Self::of_number(number) };
        }
        if let Ok(day) = text.parse::<jiff::civil::Date>().map(|day| (day - jiff::civil::date(1899, 12, 30)).get_days())
            && text.len() == 10
        {
            return Self { shown: text.to_owned(), format: Some("DATE"), ..Self::of_number(f64::from(day)) };
        }
        if matches!(text, "TRUE" | "FALSE") {
            return Self { entered: Some(json!({ "boolValue": text == "TRUE" })), shown: text.to_owned(), ..Self::default() };
        }
        Self::text(text.strip_prefix('\'').unwrap_or(text))
    }

    pub(super) fn text(text: &str) -> Self {
        Self { entered: Some(json!({ "stringValue": text })), shown: text.to_owned(), ..Self::default() }
    }

    fn of_number(number: f64) -> Self {
        let entered = Some(json!({ "numberValue": number }));
        Self { entered, shown: number.to_string(), number: Some(number), ..Self::default() }
    }

    /// A formula, and what it gives.
    pub(super) fn formula(text: &str, shown: &str, error: Option<&'static str>) -> Self {
        let number = shown.parse().ok();
        Self { entered: Some(json!({ "formulaValue": text })), shown: shown.to_owned(), number, error, format: None }
    }

    /// As a program writes: `RAW` is taken as it is.
    pub(super) fn written(value: &Value, raw: bool) -> Self {
        match value {
            Value::String(text) if text.is_empty() => Self::default(),
            Value::String(text) if raw => Self::text(text),
            Value::String(text) => Self::typed(text),
            Value::Number(number) => Self::of_number(number.as_f64().unwrap_or_default()),
            Value::Bool(word) => Self::typed(if *word { "TRUE" } else { "FALSE" }),
            _ => Self::default(),
        }
    }

    /// As Google answers it.
    pub(super) fn answer(&self) -> Value {
        let mut answer = json!({});
        if *self == Self::default() {
            return answer;
        }
        answer["formattedValue"] = self.shown.clone().into();
        if let Some(entered) = &self.entered {
            answer["userEnteredValue"] = entered.clone();
        }
        answer["effectiveValue"] = match (self.error, self.number, &self.entered) {
            (Some(kind), ..) => json!({ "errorValue": { "type": kind, "message": "An error." } }),
            (_, Some(number), _) => json!({ "numberValue": number }),
            (_, _, Some(entered)) if entered["boolValue"].is_boolean() => entered.clone(),
            _ => json!({ "stringValue": self.shown }),
        };
        if let Some(format) = self.format {
            answer["effectiveFormat"] = json!({ "numberFormat": { "type": format, "pattern": "dd.mm.yyyy" } });
        }
        answer
    }
}
