//! Google's field masks: `sheets(properties.title,data.rowData)`. What is not named does not come; what is no field is refused.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Every field that can be asked for here.
const FIELDS: [&str; 44] = [
    "spreadsheetId",
    "properties",
    "title",
    "sheets",
    "sheetId",
    "index",
    "sheetType",
    "gridProperties",
    "rowCount",
    "columnCount",
    "merges",
    "startRowIndex",
    "endRowIndex",
    "startColumnIndex",
    "endColumnIndex",
    "data",
    "startRow",
    "startColumn",
    "rowData",
    "values",
    "formattedValue",
    "userEnteredValue",
    "effectiveValue",
    "effectiveFormat",
    "numberFormat",
    "pattern",
    "type",
    "numberValue",
    "stringValue",
    "boolValue",
    "formulaValue",
    "errorValue",
    "message",
    "namedRanges",
    "namedRangeId",
    "name",
    "range",
    "replies",
    "totalUpdatedCells",
    "responses",
    "updatedRange",
    "files",
    "id",
    "nextPageToken",
];

/// What is named; an empty one names all.
#[derive(Debug, Default)]
struct Mask(BTreeMap<String, Mask>);

/// Cuts an answer to its mask, or says what is wrong with the mask.
pub(super) fn cut(value: Value, mask: &str) -> Result<Value, String> {
    let mut rest = mask;
    let parsed = list(&mut rest)?;
    if rest.is_empty() { Ok(apply(value, &parsed)) } else { Err(format!("Invalid field selection {rest}")) }
}

fn list(rest: &mut &str) -> Result<Mask, String> {
    let mut mask = Mask::default();
    loop {
        path(rest, &mut mask)?;
        match rest.strip_prefix(',') {
            Some(more) => *rest = more,
            None => return Ok(mask),
        }
    }
}

fn path(rest: &mut &str, into: &mut Mask) -> Result<(), String> {
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let (name, more) = rest.split_at(end);
    if !FIELDS.contains(&name) {
        return Err(format!("Invalid field selection {name}"));
    }
    *rest = more;
    let below = into.0.entry(name.to_owned()).or_default();
    if let Some(more) = rest.strip_prefix(['.', '/']) {
        *rest = more;
        return path(rest, below);
    }
    if let Some(more) = rest.strip_prefix('(') {
        *rest = more;
        below.0.extend(list(rest)?.0);
        *rest = rest.strip_prefix(')').ok_or_else(|| format!("Invalid field selection {rest}"))?;
    }
    Ok(())
}

fn apply(value: Value, mask: &Mask) -> Value {
    if mask.0.is_empty() {
        return value;
    }
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(|item| apply(item, mask)).collect()),
        Value::Object(fields) => {
            let kept = fields.into_iter().filter_map(|(key, value)| Some((key.clone(), apply(value, mask.0.get(&key)?))));
            Value::Object(kept.collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::cut;
    use serde_json::json;

    #[test]
    fn an_answer_is_cut_to_what_was_asked_for() {
        let value = json!({ "sheets": [{ "properties": { "title": "A", "index": 0 }, "merges": [] }], "namedRanges": [] });
        let title = json!({ "sheets": [{ "properties": { "title": "A" } }] });
        assert_eq!(cut(value.clone(), "sheets.properties(title)").as_ref(), Ok(&title));
        assert_eq!(cut(value.clone(), "sheets(properties/title)").as_ref(), Ok(&title));
        assert_eq!(
            cut(value.clone(), "namedRanges,sheets(merges)"),
            Ok(json!({ "sheets": [{ "merges": [] }], "namedRanges": [] }))
        );
        for wrong in ["", "sheets(", "sheets(title))", "sheet", "sheets,", "sheets.proper ties"] {
            assert!(cut(value.clone(), wrong).is_err(), "{wrong}");
        }
    }
}
