//! JSON in which nothing is said twice: an engine takes the last of two equal keys, and another reader the first.

use crate::refusal::{Refusal, quoted};
use http::StatusCode;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Parses one JSON value, and nothing after it.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Refusal> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let parsed = Once.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    parsed.map_err(|error| {
        let text = error.to_string();
        let why = if text.starts_with(TWICE) { text } else { "the body is not one JSON value".to_owned() };
        Refusal::new("json", why).with_status(StatusCode::BAD_REQUEST)
    })
}

/// Gives a value its shape. What is not in the shape is refused by its name; values are never repeated.
pub(crate) fn shaped<T: DeserializeOwned>(value: Value) -> Result<T, Refusal> {
    serde_json::from_value(value).map_err(|error| {
        let text = error.to_string();
        if text.starts_with("unknown field") || text.starts_with("missing field") {
            let named = text.split(", expected").next().unwrap_or_default();
            Refusal::new("keys", format!("{} in the body", quoted(named).trim_matches('`')))
        } else {
            Refusal::new("keys", "a value in the body is of another kind than Strawboss sends")
        }
    })
}

const TWICE: &str = "the body says";

struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Once)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Once)?;
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("{TWICE} {} twice", quoted(&key))));
            }
            map.insert(key, value);
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use serde_json::json;

    #[test]
    fn a_value_is_what_it_was() {
        let text = br#"{"a":[1,-2,3.5,"x",null,true],"b":{}}"#;
        assert_eq!(parse(text), Ok(json!({"a": [1, -2, 3.5, "x", null, true], "b": {}})));
    }

    #[test]
    fn what_is_said_twice_or_is_more_than_one_value_is_refused() {
        for (text, why) in [
            (r#"{"a":1,"a":2}"#, "twice"),
            (r#"{"a":1,"\u0061":2}"#, "twice"),
            (r#"{"x":[{"a":1,"b":2,"a":1}]}"#, "twice"),
            ("{} {}", "one JSON"),
            ("", "one JSON"),
            (r#"{"a":"secret"#, "one JSON"),
        ] {
            let refusal = parse(text.as_bytes()).unwrap_err();
            assert!(refusal.why.contains(why) && !refusal.why.contains("secret"), "{text}: {refusal}");
        }
        assert!(parse("[".repeat(100_000).as_bytes()).is_err(), "too deep");
    }
}
