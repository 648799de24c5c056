//! The rules, one function each. The words they look for are put together from pieces, so that this file keeps them.

use super::{Finding, Source};
use std::path::Path;

type Rule = fn(&Source<'_>, &mut Vec<Finding>);

/// Every rule.
pub(super) const ALL: &[Rule] = &[
    long_file,
    module_doc,
    unfinished,
    sleeping_test,
    trailing_blank,
    unpinned_action,
    trusting_workflow,
    machine_path,
    dead_link,
];

/// The most lines of a source file. Past 400 one looks for the seam; past this one has missed it.
const MOST_LINES: usize = 600;

/// The examples of these rules break them on purpose.
const OWN_EXAMPLES: &str = "crates/xtask/src/tidy/examples.rs";

const RUST: &[&str] = &["rs"];
const SCRIPT: &[&str] = &["ts", "tsx", "js", "jsx", "mjs", "cjs"];

fn report(source: &Source<'_>, index: usize, rule: &'static str, what: String, mend: &'static str, to: &mut Vec<Finding>) {
    to.push(Finding { file: source.path.to_owned(), line: index + 1, rule, what, mend });
}

fn long_file(source: &Source<'_>, to: &mut Vec<Finding>) {
    let lines = source.text.lines().count();
    if lines > MOST_LINES && source.has_extension(&["rs", "ts", "tsx"]) && !source.is_generated() {
        let what = format!("the file has {lines} lines, more than {MOST_LINES}");
        report(source, MOST_LINES, "long-file", what, "A file is about one thing: find the seam and part it.", to);
    }
}

fn module_doc(source: &Source<'_>, to: &mut Vec<Finding>) {
    // After a shebang or attributes of the whole file.
    let first = source.lines.iter().position(|line| !line.trim().is_empty() && !line.starts_with("#!"));
    let documented = first.is_some_and(|index| source.lines[index].starts_with("//!"));
    if source.has_extension(RUST) && !documented && !is_sample(source.path) {
        let what = "the module does not say what it is for".to_owned();
        let mend = "Begin with `//!`: what it is responsible for, and what it must not do.";
        report(source, first.unwrap_or(0), "module-doc", what, mend, to);
    }
}

fn unfinished(source: &Source<'_>, to: &mut Vec<Finding>) {
    if source.path == Path::new(OWN_EXAMPLES) {
        return;
    }
    let rust: &[(&str, &str)] = &[
        (concat!("to", "do!("), "Write it, or leave it out."),
        (concat!("unimple", "mented!("), "Write it, or leave it out."),
        (concat!("db", "g!("), "Use `tracing`, or remove it."),
        (concat!("#[ig", "nore"), "Make the test pass, or delete it."),
    ];
    let script: &[(&str, &str)] = &[
        (concat!(".on", "ly("), "Let the other tests run, too."),
        (concat!(".sk", "ip("), "Make the test pass, or delete it."),
        (concat!("debug", "ger;"), "Remove it."),
    ];
    let words = if source.has_extension(RUST) {
        rust
    } else if source.has_extension(SCRIPT) {
        script
    } else {
        return;
    };
    for (index, line) in source.lines.iter().enumerate() {
        for &(word, mend) in words {
            let found = line.match_indices(word).any(|(at, _)| {
                // `.skip(` of a test, not of an iterator.
                !word.starts_with('.') || ["it", "test", "describe", "suite"].iter().any(|of| line[..at].trim_end().ends_with(of))
            });
            if found {
                report(source, index, "unfinished", format!("`{word}` stands here"), mend, to);
            }
        }
    }
}

fn sleeping_test(source: &Source<'_>, to: &mut Vec<Finding>) {
    if !source.has_extension(RUST) && !source.has_extension(SCRIPT) {
        return;
    }
    let mut in_tests = is_test(source.path);
    for (index, line) in source.lines.iter().enumerate() {
        in_tests |= line.trim() == "#[cfg(test)]" && source.lines.get(index + 1).is_some_and(|next| next.contains("mod tests {"));
        let sleeps = line.contains("sleep(") && !line.trim_start().starts_with("//");
        if !in_tests || !sleeps {
            continue;
        }
        let above = &source.lines[index.saturating_sub(6)..index];
        let polls = above.iter().any(|line| {
            let line = line.trim_start();
            line.starts_with("while ") || line.starts_with("loop ") || line.contains("= loop {")
        });
        let explained = line.contains("//") || above.last().is_some_and(|line| line.trim_start().starts_with("// "));
        if !polls && !explained {
            let what = "a test sleeps".to_owned();
            let mend = "Wait in a loop on a condition with a deadline; if time itself is the matter, say why in a comment.";
            report(source, index, "sleeping-test", what, mend, to);
        }
    }
}

fn trailing_blank(source: &Source<'_>, to: &mut Vec<Finding>) {
    if source.has_extension(&["lock", "snap", "csv", "patch", "diff"]) {
        return;
    }
    for (index, line) in source.lines.iter().enumerate() {
        if line.ends_with([' ', '\t']) {
            report(source, index, "trailing-blank", "the line ends with a blank".to_owned(), "Remove it.", to);
        }
    }
}

fn unpinned_action(source: &Source<'_>, to: &mut Vec<Finding>) {
    let is_workflow = source.path.starts_with(".github") || source.path.file_stem().is_some_and(|name| name == "action");
    if !is_workflow || !source.has_extension(&["yml", "yaml"]) {
        return;
    }
    for (index, line) in source.lines.iter().enumerate() {
        let line = line.trim_start().trim_start_matches("- ");
        let Some(action) = line.strip_prefix("uses:") else { continue };
        let (action, version) = action.split_once('#').unwrap_or((action, ""));
        let action = action.trim().trim_matches(['"', '\'']);
        let is_hex = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let pinned = action.starts_with("./")
            || action.rsplit_once("@sha256:").is_some_and(|(_, digest)| is_hex(digest, 64))
            || action.rsplit_once('@').is_some_and(|(_, commit)| is_hex(commit, 40) && version.trim().starts_with('v'));
        if !pinned {
            let what = format!("the action `{action}` is not pinned");
            let mend = "Name a commit (40 hex digits) or a digest, with the version in a comment: a tag can be moved.";
            report(source, index, "unpinned-action", what, mend, to);
        }
    }
}

/// What a workflow may do is said in it, and a stranger's change never runs with our rights.
fn trusting_workflow(source: &Source<'_>, to: &mut Vec<Finding>) {
    if !source.path.starts_with(".github/workflows") || !source.has_extension(&["yml", "yaml"]) {
        return;
    }
    if !source.lines.iter().any(|line| line.starts_with("permissions:")) {
        let what = "the workflow does not say what it may do".to_owned();
        report(source, 0, "trusting-workflow", what, "Begin with `permissions: {}` and give each job what it needs.", to);
    }
    for (index, line) in source.lines.iter().enumerate() {
        let code = line.split('#').next().unwrap_or_default();
        for (word, mend) in [
            ("pull_request_target", "Use `pull_request`: it has no secrets and no right to write."),
            ("secrets: inherit", "Name the secrets that are needed."),
            ("write-all", "Name the rights that are needed."),
        ] {
            if code.contains(word) {
                report(source, index, "trusting-workflow", format!("`{word}` stands here"), mend, to);
            }
        }
    }
}

fn machine_path(source: &Source<'_>, to: &mut Vec<Finding>) {
    if source.path == Path::new(OWN_EXAMPLES) {
        return;
    }
    // Folders that exist on one machine only. The sandbox's own home is the same everywhere.
    let roots =
        [concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!(r"C:\Us", r"ers\")];
    for (index, line) in source.lines.iter().enumerate() {
        for root in roots {
            let found = line.match_indices(root).any(|(at, _)| {
                let inside = line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}*~".contains(c));
                let rest = &line[at + root.len()..];
                let everywhere = root.starts_with("/ho")
                    && (rest.starts_with("agent") || rest.starts_with("..") || !rest.starts_with(|c: char| c.is_alphanumeric()));
                !inside && !everywhere
            });
            if found {
                let what = format!("a path under `{root}` is one machine's");
                report(source, index, "machine-path", what, "Make it relative, or take it from the environment.", to);
            }
        }
    }
}

fn dead_link(source: &Source<'_>, to: &mut Vec<Finding>) {
    if !source.has_extension(&["md"]) {
        return;
    }
    let folder = source.root.join(source.path.parent().unwrap_or(Path::new("")));
    for (index, line) in source.lines.iter().enumerate() {
        for (at, _) in line.match_indices("](") {
            let Some((target, _)) = line[at + 2..].split_once(')') else { continue };
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains(':') && !folder.join(file).exists() {
                let what = format!("the link to `{target}` leads nowhere");
                report(source, index, "dead-link", what, "Mend the link, or write the page.", to);
            }
        }
    }
}

/// Source code of tests.
fn is_test(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    path.iter().any(|part| part == "tests" || part == "e2e")
        || name == "tests.rs"
        || name.contains(".test.")
        || name.contains(".spec.")
}

/// Code that stands for a user's own, in the demo.
fn is_sample(path: &Path) -> bool {
    path.starts_with("demo")
}
