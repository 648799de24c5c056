//! `backup:`

use super::problem::{Problem, Problems};
use super::settings::Backup;
use super::table::{self, Table};
use crate::backup::Recipient;
use crate::environment::{self, Environment};
use std::path::Path;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

/// Where and how often backups are made; none: they are not made by themselves.
pub(super) fn backup(
    table: Option<Table<'_>>,
    folder: &Path,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<Backup> {
    let mut backup = Backup { folder: folder.join("backups"), every: DAY, keep: 14, keep_age: 90 * DAY, recipients: Vec::new() };
    let mut wanted = table.is_some();
    if let Some(mut table) = table {
        if let Some(field) = table.get("folder") {
            backup.folder = field.path(folder, problems)?;
        } else {
            problems.push(
                Problem::of("backup", "`backup` has no `folder`".to_owned()).hint("Write where backups go: `folder: /backups`."),
            );
        }
        let every = table.read("every", problems, |field, problems| field.duration(Duration::from_mins(1), 365 * DAY, problems));
        backup.every = every.unwrap_or(backup.every);
        backup.keep = table.read("keep", problems, |field, problems| field.integer(1, 100_000, problems)).unwrap_or(backup.keep);
        let age =
            table.read("keep_age", problems, |field, problems| field.duration(Duration::from_hours(1), 36_500 * DAY, problems));
        backup.keep_age = age.unwrap_or(backup.keep_age);
        for key in table.read("recipients", problems, |field, problems| field.texts("keys of age", problems)).unwrap_or_default()
        {
            match key.value.parse::<Recipient>() {
                Ok(key) => backup.recipients.push(key),
                Err(why) => problems.push(
                    Problem::of_secret(key.span, format!("backup.recipients: {why}"))
                        .hint("`strawboss db key FILE` makes a pair of keys; the public one begins with `age1`."),
                ),
            }
        }
        table.finish(problems);
    }
    if let Some(text) = environment.get(&environment::BACKUP_DIR) {
        wanted = true;
        let name = environment::BACKUP_DIR.name;
        let here = std::env::current_dir().unwrap_or_else(|_| folder.to_owned());
        match table::expand(text, &here) {
            Ok(path) => backup.folder = path,
            Err(why) => problems.push(Problem::of(name, format!("{name} {why}"))),
        }
    }
    if let Some(text) = environment.get(&environment::BACKUP_RECIPIENTS) {
        let name = environment::BACKUP_RECIPIENTS.name;
        backup.recipients.clear();
        for word in text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty()) {
            match word.parse() {
                Ok(key) => backup.recipients.push(key),
                Err(why) => problems.push(Problem::of(name, format!("{name}: {why}"))),
            }
        }
    }
    wanted.then_some(backup)
}
