//! Which blockers are not waited for any more: those of projects that are read which were deleted or archived.
//!
//! Only one that is surely gone is let go: it is in no list, it is not found when it is asked for by itself, and Plane does not
//! say that it is in another project by now.

use super::client::Failure;
use super::list::{Around, Found, is_read};
use super::memory::{Memory, Told};
use super::model::Related;
use super::{Place, PlaneBacklog};
use std::collections::{BTreeMap, BTreeSet};

/// Blockers that are in no list, and of which it is not known that they are gone.
pub(super) fn vanished<'a>(memory: &'a Memory, found: &BTreeMap<String, Found>) -> BTreeSet<&'a str> {
    let told = memory.tickets.values().filter_map(|record| record.told.as_ref());
    let open = told.flat_map(|told| told.blocked_by.iter().filter(|id| !told.gone.contains(*id)));
    open.filter(|id| !found.contains_key(*id)).map(String::as_str).collect()
}

/// Notes which blockers are gone, once each that vanished was asked for by itself. What they blocked is looked at again.
pub(super) fn let_go(memory: &mut Memory, places: &[Place], found: &BTreeMap<String, Found>) {
    let was_read = |id: &&str| memory.tickets.get(*id).is_some_and(|record| is_read(places, record));
    let gone: BTreeSet<String> = vanished(memory, found).into_iter().filter(was_read).map(str::to_owned).collect();
    for record in memory.tickets.values_mut() {
        let Some(told) = &mut record.told else { continue };
        told.gone.retain(|id| !found.contains_key(id));
        let before = told.gone.len();
        told.gone.extend(told.blocked_by.iter().filter(|id| gone.contains(*id)).cloned());
        if told.gone.len() > before {
            record.looked.clear();
        }
    }
}

impl PlaneBacklog {
    /// Whether a blocker is gone, by what Plane says of it now and what was known before.
    pub(super) async fn is_gone(&self, blocker: &Related, before: Option<&Told>, around: &Around<'_>) -> Result<bool, Failure> {
        let id = blocker.id();
        let known = before.is_some_and(|told| told.gone.contains(id));
        match blocker.project() {
            _ if around.found.contains_key(id) => Ok(false),
            None => Ok(known),
            Some(project) if around.places.iter().any(|place| place.id == project) => {
                Ok(known || self.ticket(project, id).await?.is_none())
            }
            Some(_) => Ok(false),
        }
    }
}
