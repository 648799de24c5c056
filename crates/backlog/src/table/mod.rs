//! What the columns and cells of a table of work mean, whatever holds it: a CSV file or a worksheet.
//!
//! Names of columns and of rows, what a cell asks for, what is wrong with it, and what is written back. Where cells come
//! from and how they are written is each source's own.

mod cells;
mod columns;
mod identity;
mod ours;
mod rows;

pub(crate) use cells::{agent as asked_agent, day, needs_gpu, priority};
pub(crate) use columns::{Column, Columns, HeaderFault};
pub(crate) use identity::hex;
pub(crate) use ours::{cells as ours, is_overtaken, moment, plain, says_already};
pub(crate) use rows::{Cells, Listing, Reader, Row};
