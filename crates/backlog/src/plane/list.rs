//! The whole list of tickets, read so that none is missed: Plane's pages are cut by number, so what is deleted while they are
//! read moves what stands behind it.

use super::blockers::{let_go, vanished};
use super::client::Failure;
use super::memory::{Memory, Record, Told};
use super::model::{Attachment, Comment, Label, Member, Page, Project, Relations, State, Ticket};
use super::text::{self, Beside, Said};
use super::{Known, Place, PlaneBacklog, html};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use strawboss_core::Date;
use strawboss_core::backlog::{BacklogStatus, SourceItem, TicketTrigger};
use strawboss_core::task::UNREADABLE_PRIORITY;

/// How often the pages are read until they hold still.
const PASSES: usize = 6;
/// How many pages of a hundred tickets are read of a project.
const PAGES: usize = 100;
/// How many pages of a hundred states or projects are read.
const FEW_PAGES: usize = 10;
/// How many tickets' comments are read anew in one reading, beside those of tickets that are items already: Plane's cloud
/// allows sixty requests a minute, and each takes three.
const LOOKS: usize = 12;
/// How many comments are read, the newest; an agent is told fewer.
const COMMENTS: &str = "50";
/// How many, where those are too large.
const FEWER_COMMENTS: &str = "5";
/// What is asked of each ticket.
const FIELDS: &str =
    "id,name,sequence_id,description_html,priority,state,labels,target_date,created_by,created_at,updated_by,updated_at,project";

/// A ticket as it was read, and where.
pub(super) struct Found {
    ticket: Ticket,
    /// The place of its project in the configuration.
    place: usize,
}

/// What one reading knows beside a ticket.
pub(super) struct Around<'a> {
    pub(super) places: &'a [Place],
    pub(super) members: &'a [Member],
    /// All tickets, by id.
    pub(super) found: &'a BTreeMap<String, Found>,
}

/// What one look at all pages gave.
#[derive(Default)]
struct Pass {
    tickets: BTreeMap<String, Ticket>,
    /// How many tickets there are, by the word of each page.
    totals: BTreeSet<Option<u64>>,
}

impl PlaneBacklog {
    /// All items as of now.
    pub(super) async fn list(&self, known: &mut Known) -> Result<Vec<SourceItem>, Failure> {
        let mut memory = match known.memory.take() {
            Some(memory) => memory,
            None => self.recall()?,
        };
        let before = memory.clone();
        let items = self.list_with(known, &mut memory).await;
        // What was understood before a failure need not be asked again.
        let saved = if memory == before { Ok(()) } else { self.keep(&memory) };
        known.memory = Some(if saved.is_ok() { memory } else { before });
        saved.and(items)
    }

    async fn list_with(&self, known: &mut Known, memory: &mut Memory) -> Result<Vec<SourceItem>, Failure> {
        let places = self.places(&mut known.places).await?;
        let members = self.members(&mut known.members).await?;
        let mut states: Vec<Vec<State>> = Vec::new();
        let mut found: BTreeMap<String, Found> = BTreeMap::new();
        for (place, at) in places.iter().zip(0..) {
            let read = async {
                let states = self.states(&place.id).await?;
                Ok::<_, Failure>((states, self.tickets(&place.id).await?))
            };
            match read.await {
                Ok((of_project, tickets)) => {
                    states.push(of_project);
                    found.extend(tickets.into_iter().map(|ticket| (ticket.id.clone(), Found { ticket, place: at })));
                }
                Err(failure) => {
                    // It may have been deleted and made anew under its name.
                    known.places = None;
                    return Err(failure);
                }
            }
        }
        self.find_missing(memory, &places, &mut found).await?;
        let_go(memory, &places, &found);
        memory.tickets.retain(|id, record| found.contains_key(id) || (record.trigger.is_none() && is_read(&places, record)));
        for (id, found) in &found {
            let project = &places[found.place].id;
            let seen = memory.seen.contains(project);
            if let Some(record) = memory.tickets.get_mut(id) {
                let before = record.clone();
                self.meet(record, &found.ticket, project, &states[found.place]);
                self.approve_by_trusted(record, &before, &found.ticket, members);
            } else {
                let record = self.first_seen(&found.ticket, project, &states[found.place], seen);
                memory.tickets.insert(id.clone(), record);
            }
        }
        memory.seen.extend(places.iter().map(|place| place.id.clone()));
        let around = Around { places: &places, members, found: &found };
        let mut looks = 0;
        for (id, found) in &found {
            let Some(record) = memory.tickets.get_mut(id) else { continue };
            let state = states[found.place].iter().find(|state| state.id == found.ticket.state);
            let wanted = self.wants_a_look(record, &found.ticket, state);
            if wanted && self.config.memory.is_none() {
                let action = text::action(&without_text(&found.ticket), &Beside::default());
                record.told = Some(Told { action, blocked_by: Vec::new(), gone: BTreeSet::new() });
                continue;
            }
            if wanted && (looks < LOOKS || (record.listed && record.told.is_none())) {
                looks += 1;
                match self.look(record, found, state, &around).await {
                    // It went after the list was read; the next reading says so.
                    Ok(()) | Err(Failure::NotFound) => {}
                    Err(failure) => return Err(failure),
                }
            }
            let completed = record.stand.status == BacklogStatus::Completed;
            if completed {
                record.told = None;
            }
            record.listed |= record.trigger.is_some() && (completed || record.told.is_some());
        }
        let closed: BTreeSet<&str> = found
            .iter()
            .filter(|(_, found)| states[found.place].iter().any(|state| state.id == found.ticket.state && state.is_closed()))
            .map(|(id, _)| id.as_str())
            .collect();
        let mut ordered: Vec<&Found> = found.values().collect();
        ordered.sort_by_key(|found| (found.place, found.ticket.sequence_id));
        let item =
            |found: &Found| self.item(memory.tickets.get(&found.ticket.id)?, found, &places[found.place], members, &closed);
        Ok(ordered.into_iter().filter_map(item).collect())
    }

    /// The configured projects as the workspace has them.
    async fn places(&self, known: &mut Option<Vec<Place>>) -> Result<Vec<Place>, Failure> {
        if let Some(places) = known {
            return Ok(places.clone());
        }
        let projects: Vec<Project> = self.client.whole(&self.pace, &self.path("/projects/"), FEW_PAGES).await?;
        let place = |wanted: &super::PlaneProject| {
            let is = |project: &&Project| project.id == wanted.plane || project.identifier.eq_ignore_ascii_case(&wanted.plane);
            let found = projects.iter().find(is).ok_or_else(|| {
                let known = projects.iter().map(|project| project.identifier.clone()).collect();
                Failure::NoProject(wanted.plane.clone(), known)
            })?;
            let (project, approved) = (wanted.project.clone(), wanted.approved);
            Ok::<_, Failure>(Place { id: checked(&found.id)?, identifier: found.identifier.clone(), project, approved })
        };
        let places = self.config.projects.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        Ok(known.insert(places).clone())
    }

    pub(super) async fn states(&self, project: &str) -> Result<Vec<State>, Failure> {
        self.client.whole(&self.pace, &self.path(&format!("/projects/{project}/states/")), FEW_PAGES).await
    }

    /// All tickets of a project, by id.
    async fn tickets(&self, project: &str) -> Result<Vec<Ticket>, Failure> {
        let mut before: Option<BTreeSet<String>> = None;
        for _ in 0..PASSES {
            let pass = match self.pass(project, 100).await {
                // Some hold books for descriptions.
                Err(Failure::TooLarge(_)) => self.pass(project, 10).await?,
                read => read?,
            };
            let ids: BTreeSet<String> = pass.tickets.keys().cloned().collect();
            // As many as every page said there are, or the same twice: what was skipped would be another one the second time.
            if pass.totals == BTreeSet::from([Some(ids.len() as u64)]) || before.as_ref() == Some(&ids) {
                return Ok(pass.tickets.into_values().collect());
            }
            before = Some(ids);
        }
        Err(Failure::Changing)
    }

    /// Reads all pages once.
    async fn pass(&self, project: &str, size: usize) -> Result<Pass, Failure> {
        let mut pass = Pass::default();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES * 100 / size {
            let page = self.page(project, &size.to_string(), cursor.as_deref()).await?;
            pass.totals.insert(page.total_count);
            for ticket in page.results {
                pass.tickets.insert(checked(&ticket.id)?, ticket);
            }
            if !page.next_page_results {
                return Ok(pass);
            }
            cursor = Some(page.next_cursor);
        }
        Err(Failure::TooMany(PAGES * 100))
    }

    /// One page of a project's tickets, the oldest first, by the name that the server has for them.
    pub(super) async fn page(&self, project: &str, size: &str, cursor: Option<&str>) -> Result<Page<Ticket>, Failure> {
        let query = [("per_page", size), ("order_by", "created_at"), ("fields", FIELDS), ("expand", "labels")];
        let ask = async || self.client.page(&self.pace, &self.tickets_path(project, ""), &query, cursor).await;
        match ask().await {
            Err(Failure::NotFound) => {}
            answer => return answer,
        }
        // Servers before 1.1 know them as issues only.
        self.says_issues.fetch_xor(true, Ordering::Relaxed);
        let answer = ask().await;
        if answer.is_err() {
            self.says_issues.fetch_xor(true, Ordering::Relaxed);
        }
        answer
    }

    /// Asks by itself for each item and blocker that is not in the lists: only one that is surely gone may be taken for gone.
    async fn find_missing(&self, memory: &Memory, places: &[Place], found: &mut BTreeMap<String, Found>) -> Result<(), Failure> {
        let blockers = vanished(memory, found);
        for (id, record) in &memory.tickets {
            let place = places.iter().position(|place| place.id == record.project);
            let missed = !found.contains_key(id) && (record.trigger.is_some() || blockers.contains(id.as_str()));
            if let Some(place) = place.filter(|_| missed)
                && let Some(ticket) = self.ticket(&record.project, id).await?
            {
                found.insert(id.clone(), Found { ticket, place });
            }
        }
        Ok(())
    }

    /// One ticket as it is now; none: it is not in that project.
    pub(super) async fn ticket(&self, project: &str, id: &str) -> Result<Option<Ticket>, Failure> {
        let ask = async || {
            let path = self.tickets_path(project, &format!("{id}/?fields={FIELDS}&expand=labels"));
            match self.client.get::<Ticket>(&self.pace, &path).await {
                Ok(ticket) if ticket.id == id => Ok(Some(ticket)),
                Ok(_) => Err(Failure::NotJson("it answered with another ticket".to_owned())),
                Err(Failure::NotFound) => Ok(None),
                Err(failure) => Err(failure),
            }
        };
        if let Some(ticket) = ask().await? {
            return Ok(Some(ticket));
        }
        // It alone, or the whole project, or the name that the server has for tickets?
        self.page(project, "1", None).await?;
        ask().await
    }

    fn wants_a_look(&self, record: &Record, ticket: &Ticket, state: Option<&State>) -> bool {
        let told = record.trigger.is_some() && record.stand.status != BacklogStatus::Completed;
        let changed = record.looked != ticket.updated_at;
        (told && (changed || record.told.is_none())) || (changed && self.listens(record, state))
    }

    /// Reads what stands on a ticket: what is new on it may make it work, and what an agent is told follows from it.
    async fn look(&self, record: &mut Record, found: &Found, state: Option<&State>, around: &Around<'_>) -> Result<(), Failure> {
        let (ticket, place, members) = (&found.ticket, &around.places[found.place], around.members);
        let (comments, more) = self.comments(&place.id, &ticket.id).await?;
        let people: Vec<&Comment> = comments.iter().filter(|comment| !is_own(comment)).collect();
        let (trusted, others): (Vec<&Comment>, Vec<&Comment>) =
            people.iter().partition(|comment| self.trusts(comment.actor.as_deref(), members));
        let calls = |comment: &&&Comment| {
            let text = || html::to_markdown(comment.comment_html.as_deref().unwrap_or_default());
            is_later(&comment.created_at, &record.heard) && self.calls(&text())
        };
        let called = self.listens(record, state) && trusted.iter().any(|comment| calls(&comment));
        if called {
            record.trigger = Some(TicketTrigger::CommentAdded);
            record.stand.status = BacklogStatus::Pending;
        }
        let at_work = matches!(record.stand.status, BacklogStatus::InProgress | BacklogStatus::InReview);
        // What is said while it is at work is heard when that is over.
        if !(at_work && record.trigger.is_some())
            && let Some(newest) = people.iter().map(|comment| &comment.created_at).rfind(|at| is_later(at, &record.heard))
        {
            record.heard.clone_from(newest);
        }
        if record.trigger.is_some() && record.stand.status != BacklogStatus::Completed {
            let said = |comment| Said { author: author(comment, members), comment };
            let beside = Beside {
                comments: trusted.into_iter().map(said).collect(),
                left_out: others.len(),
                more,
                attachments: self.attachments(&place.id, &ticket.id).await?,
            };
            let relations = self.relations(&place.id, &ticket.id).await?;
            let (mut blocked_by, mut gone) = (Vec::new(), BTreeSet::new());
            for blocker in &relations.blocked_by {
                let id = checked(blocker.id())?;
                if self.is_gone(blocker, record.told.as_ref(), around).await? {
                    gone.insert(id.clone());
                }
                blocked_by.push(id);
            }
            record.told = Some(Told { action: text::action(ticket, &beside), blocked_by, gone });
        }
        record.looked.clone_from(&ticket.updated_at);
        Ok(())
    }

    /// The newest comments, the oldest of them first, and whether there are more.
    async fn comments(&self, project: &str, id: &str) -> Result<(Vec<Comment>, bool), Failure> {
        let path = self.tickets_path(project, &format!("{id}/comments/"));
        let page = async |size| self.client.page::<Comment>(&self.pace, &path, &[("per_page", size)], None).await;
        let page = match page(COMMENTS).await {
            Err(Failure::TooLarge(_)) => page(FEWER_COMMENTS).await,
            answer => answer,
        };
        let (mut comments, more) = match page {
            Ok(page) => (page.results, page.next_page_results),
            // A stranger's flood on one ticket shall not hide all the others.
            Err(Failure::TooLarge(_)) => (Vec::new(), true),
            Err(failure) => return Err(failure),
        };
        comments.sort_by(|a, b| (moment(&a.created_at), &a.id).cmp(&(moment(&b.created_at), &b.id)));
        Ok((comments, more))
    }

    async fn attachments(&self, project: &str, id: &str) -> Result<Vec<(String, String)>, Failure> {
        let word = if self.says_issues.load(Ordering::Relaxed) { "issue-attachments" } else { "attachments" };
        let path = self.tickets_path(project, &format!("{id}/{word}/"));
        let attachments: Vec<Attachment> = match self.client.get(&self.pace, &path).await {
            Ok(attachments) => attachments,
            // The server has none to list.
            Err(Failure::NotFound) => Vec::new(),
            Err(failure) => return Err(failure),
        };
        let of = |attachment: Attachment| {
            let address = self.client.address(&format!("{path}{}/", checked(&attachment.id)?));
            Ok((attachment.attributes.name, address))
        };
        attachments.into_iter().map(of).collect()
    }

    async fn relations(&self, project: &str, id: &str) -> Result<Relations, Failure> {
        match self.client.get(&self.pace, &self.tickets_path(project, &format!("{id}/relations/"))).await {
            // The server does not tell.
            Err(Failure::NotFound) => Ok(Relations::default()),
            answer => answer,
        }
    }

    /// Whoever is not trusted approves of nothing, wherever they may move a ticket: it waits as it did.
    fn approve_by_trusted(&self, record: &mut Record, before: &Record, ticket: &Ticket, members: &[Member]) {
        let is_ours = before.intent.as_ref().is_some_and(|intent| intent.state == ticket.state);
        let is_approved = record.stand.status == BacklogStatus::Queued && before.stand.status != BacklogStatus::Queued;
        let by = ticket.updated_by.as_deref().or(ticket.created_by.as_deref());
        if is_approved && !is_ours && !self.trusts(by, members) {
            record.stand.status = BacklogStatus::Pending;
        }
    }

    fn item(
        &self,
        record: &Record,
        found: &Found,
        place: &Place,
        members: &[Member],
        closed: &BTreeSet<&str>,
    ) -> Option<SourceItem> {
        let (ticket, trigger) = (&found.ticket, record.trigger?);
        let completed = record.stand.status == BacklogStatus::Completed;
        let told = record.told.as_ref();
        if told.is_none() && !completed {
            return None;
        }
        let id = format!("{}-{}", place.identifier, ticket.sequence_id);
        let blocked_by = told.map(|told| told.blocked_by.as_slice()).unwrap_or_default();
        // One that went may have gone to where nobody looks: until Plane was asked again, it blocks.
        let gone = told.map(|told| &told.gone).filter(|_| record.looked == ticket.updated_at);
        let is_over = |id: &String| closed.contains(id.as_str()) || gone.is_some_and(|gone| gone.contains(id));
        let open = blocked_by.iter().filter(|blocker| !is_over(blocker));
        let action = told.map_or_else(|| text::action(&without_text(ticket), &Beside::default()), |told| told.action.clone());
        Some(SourceItem {
            native_ref: self.native_ref(&ticket.id),
            project: place.project.clone(),
            action,
            priority: priority(ticket.priority.as_deref()),
            status: record.stand.status,
            status_unclear: false,
            agent: valued(&ticket.labels, "agent"),
            deadline: ticket.target_date.as_deref().and_then(|date| Date::parse(date.get(..10)?)),
            needs_gpu: ticket.labels.iter().any(|label| label.name.trim().eq_ignore_ascii_case("gpu")),
            model: valued(&ticket.labels, "model"),
            depends_on: open.map(|blocker| self.native_ref(blocker)).collect(),
            line: ticket.sequence_id,
            url: Some(format!("{}/{}/browse/{id}/", self.pages, self.config.workspace)),
            needs_approval: !place.approved || !self.trusts(ticket.created_by.as_deref(), members),
            is_ticket: true,
            ticket: Some(Box::new(strawboss_core::backlog::Ticket {
                id,
                uuid: ticket.id.clone(),
                project_id: place.id.clone(),
                trigger,
            })),
        })
    }
}

pub(super) fn is_read(places: &[Place], record: &Record) -> bool {
    places.iter().any(|place| place.id == record.project)
}

/// A moment as Plane writes it, in the time zone of the key's owner.
fn moment(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok()
}

fn is_later(at: &str, than: &str) -> bool {
    moment(at).is_some_and(|at| moment(than).is_none_or(|than| at > than))
}

fn without_text(ticket: &Ticket) -> Ticket {
    Ticket { description_html: None, ..ticket.clone() }
}

/// An id as it becomes part of an address.
pub(super) fn checked(id: &str) -> Result<String, Failure> {
    if (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Ok(id.to_owned());
    }
    Err(Failure::NotJson("an id in its answer is none".to_owned()))
}

/// Whether a comment is one of ours.
fn is_own(comment: &Comment) -> bool {
    comment.external_source.as_deref() == Some(super::write::EXTERNAL_SOURCE)
}

fn author(comment: &Comment, members: &[Member]) -> String {
    let member = members.iter().find(|member| Some(&member.id) == comment.actor.as_ref());
    member.and_then(|member| member.display_name.clone()).unwrap_or_else(|| "somebody".to_owned())
}

fn priority(word: Option<&str>) -> u32 {
    match word {
        Some("urgent") => 1,
        Some("high") => 2,
        Some("medium") => 3,
        Some("low") => 4,
        _ => UNREADABLE_PRIORITY,
    }
}

/// What stands behind `model: ` or the like.
fn valued(labels: &[Label], key: &str) -> Option<String> {
    labels.iter().find_map(|label| {
        let (name, value) = label.name.split_once(':')?;
        let value = value.trim();
        (name.trim().eq_ignore_ascii_case(key) && !value.is_empty()).then(|| value.to_owned())
    })
}
