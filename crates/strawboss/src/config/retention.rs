//! `retention:`: what is kept for how long.

use super::problem::{Problem, Problems};
use super::table::{Field, Table};
use super::units;
use crate::environment::{self, Environment, Variable};
use strawboss_core::retention::{Keep, Retention};

/// An age in milliseconds, none for `never`; or how to write one.
fn age(text: &str) -> Result<Option<i64>, &'static str> {
    if text.trim() == "never" {
        return Ok(None);
    }
    let read = units::duration(text).and_then(|age| i64::try_from(age.as_millis()).ok());
    read.map(Some).ok_or("Write it like `90d` or `12h`, or `never`.")
}

/// A size in bytes, none for `never`; or how to write one.
fn size(text: &str) -> Result<Option<u64>, &'static str> {
    if text.trim() == "never" {
        return Ok(None);
    }
    units::size(text).map(Some).ok_or("Write it like `20g`, or `never`.")
}

fn judged<T>(
    field: &Field<'_>,
    read: impl Fn(&str) -> Result<T, &'static str>,
    wanted: &str,
    problems: &mut Problems,
) -> Option<T> {
    let text = field.text(problems)?;
    read(&text).map_err(|hint| problems.push(field.wrong(format_args!("must be {wanted}, not `{text}`")).hint(hint))).ok()
}

fn keep(table: &mut Table<'_>, key: &'static str, keep: &mut Keep, sized: bool, problems: &mut Problems) {
    let Some(mut table) = table.table(key, problems) else { return };
    if let Some(read) = table.read("age", problems, |field, problems| judged(field, age, "an age", problems)) {
        keep.age_ms = read;
    }
    if sized && let Some(read) = table.read("size", problems, |field, problems| judged(field, size, "a size", problems)) {
        keep.bytes = read;
    }
    table.finish(problems);
}

fn overrule<T>(
    variable: &Variable,
    environment: &Environment,
    read: impl Fn(&str) -> Result<T, &'static str>,
    to: &mut T,
    problems: &mut Problems,
) {
    let Some(text) = environment.get(variable) else { return };
    match read(text) {
        Ok(value) => *to = value,
        Err(hint) => {
            let name = variable.name;
            problems.push(Problem::of(name, format!("{name} cannot be `{text}`")).hint(hint));
        }
    }
}

pub(super) fn retention(table: Option<Table<'_>>, environment: &Environment, problems: &mut Problems) -> Retention {
    let mut retention = Retention::default();
    if let Some(mut table) = table {
        keep(&mut table, "recordings", &mut retention.recordings, true, problems);
        keep(&mut table, "reports", &mut retention.reports, true, problems);
        keep(&mut table, "workspaces", &mut retention.workspaces, false, problems);
        keep(&mut table, "caches", &mut retention.caches, false, problems);
        keep(&mut table, "tools", &mut retention.tools, false, problems);
        keep(&mut table, "branches", &mut retention.branches, false, problems);
        table.finish(problems);
    }
    let Retention { recordings, reports, .. } = &mut retention;
    overrule(&environment::RETENTION_RECORDINGS_AGE, environment, age, &mut recordings.age_ms, problems);
    overrule(&environment::RETENTION_RECORDINGS_SIZE, environment, size, &mut recordings.bytes, problems);
    overrule(&environment::RETENTION_REPORTS_AGE, environment, age, &mut reports.age_ms, problems);
    retention
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigError, Flags, parse};
    use crate::environment::Environment;
    use std::path::Path;
    use strawboss_core::retention::{Keep, Retention};

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let environment = Environment::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        parse(Path::new("strawboss.yaml"), text, &Flags::default(), &environment)
    }

    #[test]
    fn what_is_not_said_is_kept_as_usual_and_a_variable_overrules_the_file() {
        assert_eq!(read("", &[]).unwrap().settings.retention, Retention::default());
        let text = "retention: { recordings: { age: 12h, size: never }, caches: { age: never } }";
        let said = read(text, &[("STRAWBOSS_RETENTION_RECORDINGS_SIZE", "1g")]).unwrap().settings.retention;
        assert_eq!(said.recordings, Keep { age_ms: Some(12 * 3_600_000), bytes: Some(1 << 30) });
        assert_eq!((said.caches, said.reports), (Keep::default(), Retention::default().reports));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, variables, part) in [
            ("retention: { recordings: { age: 90 } }", [("X", "")], "retention.recordings.age must be an age, not `90`"),
            ("retention: { caches: { size: 1g } }", [("X", "")], "unknown key `size` in retention.caches"),
            ("retention: { recording: {} }", [("X", "")], "unknown key `recording` in retention"),
            ("", [("STRAWBOSS_RETENTION_REPORTS_AGE", "soon")], "STRAWBOSS_RETENTION_REPORTS_AGE cannot be `soon`"),
        ] {
            let Err(error) = read(text, &variables) else { panic!("{text} is taken") };
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
