//! From records to rows, as the file has them.

use super::document::{Document, Field, Flaw};
use crate::table::{Cells, Columns, Listing, Reader};
use std::borrow::Cow;

/// Reads every record after the header.
pub(crate) fn list(document: &Document, columns: &Columns) -> Listing {
    let mut reader = Reader::new(columns, "Line");
    let mut fields = Vec::new();
    for (index, record) in document.records().iter().enumerate().skip(1) {
        if let Some(flaw) = record.flaw {
            reader.skip(record.line, said(flaw));
            continue;
        }
        let count = document.fields(record, &mut fields);
        let fields = Fields { document, fields: &fields };
        if count == fields.fields.len() && fields.are_blank(0) {
            continue;
        }
        // Something stands beyond the header's last column.
        if count > fields.fields.len() || !fields.are_blank(columns.count()) {
            let message =
                format!("the row has {count} cells, the header {}: put a text that holds a comma in quotes", columns.count());
            reader.skip(record.line, &message);
            continue;
        }
        reader.row(record.line, index, &fields);
    }
    reader.done()
}

fn said(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Unterminated => "a quoted text begins on this line and never ends: close it with a quote",
        Flaw::TextAfterQuote => {
            "there is text between a closing quote and the next comma: write a quote inside a text twice (\"\")"
        }
    }
}

/// The fields of one record.
struct Fields<'a> {
    document: &'a Document,
    fields: &'a [Field],
}

impl Fields<'_> {
    /// Whether nothing stands from this place on.
    fn are_blank(&self, from: usize) -> bool {
        let fields = self.fields.get(from..).unwrap_or_default();
        fields.iter().all(|field| self.document.value(field).trim_ascii().is_empty())
    }
}

impl Cells for Fields<'_> {
    fn text(&self, place: usize) -> Result<Cow<'_, str>, String> {
        let Some(field) = self.fields.get(place) else { return Ok(Cow::Borrowed("")) };
        let value = self.document.value(field);
        let refused = |value: &[u8], error: std::str::Utf8Error| {
            let at = error.valid_up_to();
            let byte = value.get(at).copied().unwrap_or_default();
            format!("byte {} of the cell (0x{byte:02X}) is not UTF-8: save the file as UTF-8", at + 1)
        };
        match value {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| refused(bytes, error)),
            Cow::Owned(bytes) => {
                String::from_utf8(bytes).map(Cow::Owned).map_err(|error| refused(error.as_bytes(), error.utf8_error()))
            }
        }
    }
}
