//! What Google's Sheets and Drive answer, as far as it is read.

use serde::Deserialize;
use serde_json::Value;

/// A token, or why there is none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TokenAnswer {
    pub(super) access_token: String,
    pub(super) expires_in: u64,
    pub(super) error: String,
    pub(super) error_description: String,
}

/// Google's form of an error.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Complaint {
    pub(super) error: ComplaintBody,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ComplaintBody {
    pub(super) message: String,
    pub(super) status: String,
    /// Drive's.
    pub(super) errors: Vec<Reason>,
    /// The others'.
    pub(super) details: Vec<Reason>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reason {
    pub(super) reason: String,
}

/// A page of Drive's list of files.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Files {
    #[serde(default)]
    pub(super) files: Vec<DriveFile>,
    #[serde(default)]
    pub(super) next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DriveFile {
    pub(super) id: String,
    pub(super) name: String,
}

/// A spreadsheet, as much of it as was asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spreadsheet {
    #[serde(default)]
    pub(super) sheets: Vec<Worksheet>,
    #[serde(default)]
    pub(super) named_ranges: Vec<NamedRange>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Worksheet {
    pub(super) properties: Properties,
    #[serde(default)]
    pub(super) merges: Vec<Range>,
    #[serde(default)]
    pub(super) data: Vec<GridData>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Properties {
    #[serde(default)]
    pub(super) sheet_id: i64,
    #[serde(default)]
    pub(super) title: String,
    /// `GRID`, or a chart or a connected table.
    #[serde(default)]
    pub(super) sheet_type: Option<String>,
}

/// A rectangle of cells: from 0, ends behind the last; what is left out is unbounded.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Range {
    pub(super) sheet_id: i64,
    pub(super) start_row_index: usize,
    pub(super) end_row_index: Option<usize>,
    pub(super) start_column_index: usize,
    pub(super) end_column_index: Option<usize>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NamedRange {
    pub(super) named_range_id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) range: Range,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct GridData {
    pub(super) start_row: usize,
    pub(super) start_column: usize,
    pub(super) row_data: Vec<RowData>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RowData {
    pub(super) values: Vec<Cell>,
}

/// One cell.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Cell {
    /// What a person sees.
    pub(super) formatted_value: Option<String>,
    pub(super) effective_value: Option<Effective>,
    pub(super) effective_format: Option<Format>,
    /// What somebody typed: absent in a cell that a formula beside it fills. Only asked for before a write.
    pub(super) user_entered_value: Option<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Effective {
    pub(super) number_value: Option<f64>,
    pub(super) error_value: Option<ErrorValue>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorValue {
    pub(super) r#type: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Format {
    pub(super) number_format: Option<NumberFormat>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct NumberFormat {
    pub(super) r#type: String,
}

/// What a batch of changes answered.
#[derive(Debug, Deserialize)]
pub(super) struct Batch {
    #[serde(default)]
    pub(super) replies: Vec<Value>,
}
