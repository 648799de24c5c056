//! Finds the spreadsheet and its worksheet, and reads it as it is at one moment.

use super::failure::Failure;
use super::grid::Grid;
use super::model::{Files, Spreadsheet as Answered};
use super::{SheetsBacklog, Spreadsheet, is_id};
use reqwest::Method;
use serde_json::{Value, json};

/// Worksheets with cells, of all that a spreadsheet may have.
const GRID: &str = "GRID";
/// How many pages of files are looked through for a name.
const PAGES: usize = 20;
/// What is asked of each cell in a reading.
const SEEN: &str = "formattedValue,effectiveValue(numberValue,errorValue(type)),effectiveFormat(numberFormat(type))";

/// What is asked of the names of cells.
pub(super) const NAMES: &str = "namedRanges(namedRangeId,name,range)";

/// A worksheet that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) spreadsheet: String,
    pub(super) sheet_id: i64,
}

impl Place {
    /// Where a person reads it.
    pub(super) fn page(&self) -> String {
        format!("https://docs.google.com/spreadsheets/d/{}/edit#gid={}", self.spreadsheet, self.sheet_id)
    }
}

impl SheetsBacklog {
    /// The address of something of a spreadsheet: what comes behind its id.
    pub(super) fn address(&self, spreadsheet: &str, rest: &str, fields: &str) -> reqwest::Url {
        let mut url = self.sheets.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v4", "spreadsheets"]).extend(format!("{spreadsheet}{rest}").split('/'));
        }
        url.query_pairs_mut().append_pair("fields", fields);
        url
    }

    /// The worksheet, as of now: it is found again by its title each time.
    pub(super) async fn find(&self, found: &mut Option<String>) -> Result<Place, Failure> {
        let by_name = match &self.config.spreadsheet {
            Spreadsheet::Id(id) => return self.worksheet(id).await,
            Spreadsheet::Name(name) => name,
        };
        if let Some(id) = found.as_deref() {
            match self.worksheet(id).await {
                // Deleted, or no longer shared: another one may have its name now.
                Err(Failure::NotFound | Failure::Forbidden(_)) => {}
                answered => return answered,
            }
        }
        let id = self.named(by_name).await?;
        let place = self.worksheet(&id).await?;
        *found = Some(id);
        Ok(place)
    }

    async fn worksheet(&self, spreadsheet: &str) -> Result<Place, Failure> {
        let address = self.address(spreadsheet, "", "sheets.properties(sheetId,title,sheetType)");
        let answered: Answered = self.client.call(&self.pace, Method::GET, address, None).await?.json()?;
        let grids = answered.sheets.into_iter().map(|sheet| sheet.properties);
        let mut grids = grids.filter(|sheet| sheet.sheet_type.as_deref().is_none_or(|kind| kind == GRID)).collect::<Vec<_>>();
        let wanted = self.config.worksheet.as_deref();
        let Some(at) = grids.iter().position(|sheet| wanted.is_none_or(|wanted| sheet.title == wanted)) else {
            let there = grids.into_iter().map(|sheet| crate::remote::plain(&sheet.title)).collect();
            return Err(Failure::NoWorksheet(self.config.worksheet.clone(), there));
        };
        Ok(Place { spreadsheet: spreadsheet.to_owned(), sheet_id: grids.swap_remove(at).sheet_id })
    }

    /// The one spreadsheet of this name.
    async fn named(&self, name: &str) -> Result<String, Failure> {
        let escaped = name.replace('\\', "\\\\").replace('\'', "\\'");
        let query = format!("name = '{escaped}' and mimeType = 'application/vnd.google-apps.spreadsheet' and trashed = false");
        let mut ids = Vec::new();
        let mut page: Option<String> = None;
        for _ in 0..PAGES {
            let mut url = self.drive.clone();
            if let Ok(mut path) = url.path_segments_mut() {
                path.pop_if_empty().extend(["drive", "v3", "files"]);
            }
            url.query_pairs_mut().extend_pairs([
                ("q", query.as_str()),
                ("fields", "nextPageToken,files(id,name)"),
                ("supportsAllDrives", "true"),
                ("includeItemsFromAllDrives", "true"),
            ]);
            if let Some(page) = &page {
                url.query_pairs_mut().append_pair("pageToken", page);
            }
            let files: Files = self.client.call(&self.pace, Method::GET, url, None).await?.json()?;
            // Drive does not tell capitals apart.
            ids.extend(files.files.into_iter().filter(|file| file.name == name).map(|file| file.id));
            page = files.next_page_token.filter(|token| !token.is_empty());
            if page.is_none() {
                break;
            }
        }
        match (ids.pop(), ids.len()) {
            (Some(id), 0) if is_id(&id) => Ok(id),
            (Some(_), 0) => Err(Failure::NotJson("it answered with an id that is none".to_owned())),
            (last, others) => Err(Failure::Named(name.to_owned(), others + usize::from(last.is_some()))),
        }
    }

    /// The whole worksheet in one answer, which is of one moment. `to_write`: with what is needed to write to it.
    pub(super) async fn grid(&self, place: &Place, to_write: bool) -> Result<Grid, Failure> {
        let (cells, names) = if to_write { (format!("{SEEN},userEnteredValue"), NAMES) } else { (SEEN.to_owned(), "") };
        let fields = format!(
            "sheets(properties(sheetId),merges,data(startRow,startColumn,rowData(values({cells})))){}{names}",
            if names.is_empty() { "" } else { "," }
        );
        let address = self.address(&place.spreadsheet, ":getByDataFilter", &fields);
        let body = json!({ "dataFilters": [{ "gridRange": { "sheetId": place.sheet_id } }], "includeGridData": true });
        let answered: Answered = self.client.call(&self.pace, Method::POST, address, Some(&body)).await?.json()?;
        let sheet = answered.sheets.into_iter().find(|sheet| sheet.properties.sheet_id == place.sheet_id);
        // It was there a moment ago.
        let sheet = sheet.ok_or(Failure::Changing)?;
        Grid::understand(sheet, answered.named_ranges)
    }

    /// Sends changes of a spreadsheet, which are made all together or not at all.
    pub(super) async fn send(&self, place: &Place, what: &str, fields: &str, body: &Value) -> Result<Value, Failure> {
        let address = self.address(&place.spreadsheet, what, fields);
        Ok(self.client.call(&self.pace, Method::POST, address, Some(body)).await?.json()?)
    }
}
