//! The files that `init` writes: everything that is usual, with comments for the rest.

use super::detect::Found;
use strawboss_gateway::egress::PRESETS;

/// A text as YAML takes it on one line, whatever is in it.
fn quoted(text: &str) -> String {
    // A JSON string is a YAML one.
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

/// A text as a key or value, quoted only when it must be.
fn plain(text: &str) -> String {
    let simple = text.chars().next().is_some_and(char::is_alphabetic)
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '/'))
        && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text.to_ascii_lowercase().as_str());
    if simple { text.to_owned() } else { quoted(text) }
}

/// A line of the file with what it means behind it, in one column where it fits.
fn commented(code: &str, comment: &str) -> String {
    format!("{code:<44}  # {comment}\n")
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}

/// `strawboss.yaml`.
pub(super) fn yaml(found: &Found) -> String {
    let mut text = String::from(
        "# Strawboss: what the crew works on, and with what. `strawboss config check` looks at this file, `strawboss doctor` at\n\
         # everything around it. Unknown keys are errors.\n\n\
         server: { listen: 127.0.0.1:7070, data_dir: ./.strawboss }\n\n\
         backlogs:\n  - { type: csv, file: ./priorities.csv }\n\n\
         projects:\n",
    );
    text.push_str(&commented(&format!("  {}:", plain(found.name.as_str())), "the Project column of the backlog"));
    text.push_str("    directory: .\n");
    let others =
        if found.branches.is_empty() { String::new() } else { format!("; there are also: {}", found.branches.join(", ")) };
    match &found.branch {
        Some(branch) => {
            let comment = format!("work starts from it and is merged into it{others}");
            text.push_str(&commented(&format!("    branch: {}", plain(branch)), &comment));
        }
        None => text.push_str(&commented(
            "    # branch: main",
            "work starts from it and is merged into it; without it, what is checked out",
        )),
    }
    text.push_str("    agent: claude\n");
    let images: Vec<(&str, &str)> =
        found.languages.iter().filter_map(|language| Some((language.name, language.image.as_deref()?))).collect();
    match images.as_slice() {
        [] => text.push_str(&commented(
            "    # image: debian:bookworm",
            "any glibc image with git and the project's tools; without it, Strawboss's own",
        )),
        [(_, image)] => {
            text.push_str(&commented(&format!("    image: {image}"), "any glibc image with git and the project's tools"));
        }
        [(_, image), more @ ..] => {
            let more: Vec<String> = more.iter().map(|(name, image)| format!("{name}: {image}")).collect();
            let comment =
                format!("one image must hold all tools of the project; build your own where it does not ({})", more.join(", "));
            text.push_str(&commented(&format!("    image: {image}"), &comment));
        }
    }
    let all = |pick: fn(&super::detect::Language) -> &Vec<String>| -> Vec<String> {
        found.languages.iter().flat_map(|language| pick(language).clone()).collect()
    };
    let (setup, checks) = (all(|language| &language.setup), all(|language| &language.checks));
    if setup.is_empty() {
        text.push_str(&commented("    # setup: [\"make deps\"]", "before the agent and before the checks"));
    } else {
        text.push_str(&commented(&format!("    setup: {}", list(&setup)), "before the agent and before the checks"));
    }
    text.push_str(&commented(
        &format!("    checks: {}", list(&checks)),
        "must end with 0, in a fresh sandbox, on the pushed commit",
    ));
    let caches: Vec<&str> = found.languages.iter().map(|language| language.cache).collect();
    if !caches.is_empty() {
        text.push_str(&commented(&format!("    cache: [{}]", caches.join(", ")), "kept between the runs of its agents"));
    }
    let allowed: Vec<&str> = found.languages.iter().map(|language| language.allow).collect();
    let presets: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
    let comment = format!("all that sandboxes may reach: presets ({}) or host names", presets.join(", "));
    text.push_str(&commented(&format!("    network: {{ allow: [{}] }}", allowed.join(", ")), &comment));
    text.push_str(&commented("    approval: auto", "manual: nothing starts before you say so"));
    text.push_str(&commented("    review: manual", "auto: merged as soon as every check is green"));
    text.push_str(
        "    limits: { cpus: 2, memory: 4g, pids: 512, disk: 10g, timeout: 2h }\n\n\
         # What the Model column of a row may say.\n\
         # models:\n\
         #   Sonnet: { agent: claude, model: claude-sonnet-4-20250514 }\n\n\
         providers:\n  \
         # The key stays outside of every sandbox. For a subscription: auth: oauth_token, secret_env: CLAUDE_CODE_OAUTH_TOKEN.\n  \
         # With `prices: { claude-sonnet: { input: 3, output: 15 } }` (US dollars per million tokens) runs show their cost.\n  \
         anthropic: { base_url: \"https://api.anthropic.com\", auth: api_key, secret_env: ANTHROPIC_API_KEY }\n\n\
",
    );
    text.push_str(&commented("runner: { type: auto, max_concurrent: 2 }", "auto: docker, or refuse with the reason"));
    text
}

/// A field as CSV has it.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// `priorities.csv`, with one row that does not start by itself.
pub(super) fn csv(found: &Found) -> String {
    let action = "Read the README and correct one mistake in it; change nothing else";
    format!(
        "Project,Priority,Status,Agent,Last Update,Next Action,Deadline,GPU,Model\n{},1,Paused,,,{},,,\n",
        field(found.name.as_str()),
        field(action)
    )
}
