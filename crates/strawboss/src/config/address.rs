//! Addresses of other people's services.

use super::problem::{Problem, Problems};
use super::table::Field;

/// An address without a slash at its end: of `what`, written like `example`. Credentials have no place in one, and are not repeated.
pub(super) fn read(field: &Field<'_>, what: &str, example: &str, problems: &mut Problems) -> Option<String> {
    let text = field.text(problems)?;
    let url = text.parse::<reqwest::Url>().ok();
    let sound = url.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if sound {
        return Some(text.trim_end_matches('/').to_owned());
    }
    let message = format!("{} must be {what}, without a name or a password", field.path);
    problems.push(Problem::of_secret(field.node.span.clone(), message).hint(format!("Write it like `{example}`.")));
    None
}
