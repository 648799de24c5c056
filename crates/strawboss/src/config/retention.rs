//! `retention:`: what is kept for how long.

use super::problem::{Problem, Problems};
use super::table::{Field, Table};
use super::units;
use crate::environment::{self, Environment, Variable};
use strawboss_core::retention::{Keep, Retention};

const AGE_HINT: &str = "Write it like `90d` or `12h`, or `never`.";
const SIZE_HINT: &str = "Write it like `20g`, or `never`.";

/// An age in milliseconds; none: `never`.
fn age(text: &str) -> Option<Option<i64>> {
    match text.trim() {
        "never" => Some(None),
        text => units::duration(text).and_then(|age| i64::try_from(age.as_millis()).ok()).map(Some),
    }
}

/// A size in bytes; none: `never`.
fn size(text: &str) -> Option<Option<u64>> {
    match text.trim() {
        "never" => Some(None),
        text => units::size(text).map(Some),
    }
}

fn judged<T>(
    field: &Field<'_>,
    read: impl Fn(&str) -> Option<T>,
    wanted: &str,
    hint: &str,
    problems: &mut Problems,
) -> Option<T> {
    let text = field.text(problems)?;
    let value = read(&text);
    if value.is_none() {
        problems.push(field.wrong(format_args!("must be {wanted}, not `{text}`")).hint(hint));
    }
    value
}

fn keep(table: &mut Table<'_>, key: &'static str, keep: &mut Keep, sized: bool, problems: &mut Problems) {
    let Some(mut table) = table.table(key, problems) else { return };
    if let Some(read) = table.read("age", problems, |field, problems| judged(field, age, "an age", AGE_HINT, problems)) {
        keep.age_ms = read;
    }
    if sized
        && let Some(read) = table.read("size", problems, |field, problems| judged(field, size, "a size", SIZE_HINT, problems))
    {
        keep.bytes = read;
    }
    table.finish(problems);
}

fn overrule<T>(
    variable: &Variable,
    environment: &Environment,
    read: impl Fn(&str) -> Option<T>,
    hint: &str,
    to: &mut T,
    problems: &mut Problems,
) {
    let Some(text) = environment.get(variable) else { return };
    match read(text) {
        Some(value) => *to = value,
        None => {
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
    overrule(&environment::RETENTION_RECORDINGS_AGE, environment, age, AGE_HINT, &mut recordings.age_ms, problems);
    overrule(&environment::RETENTION_RECORDINGS_SIZE, environment, size, SIZE_HINT, &mut recordings.bytes, problems);
    overrule(&environment::RETENTION_REPORTS_AGE, environment, age, AGE_HINT, &mut reports.age_ms, problems);
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
