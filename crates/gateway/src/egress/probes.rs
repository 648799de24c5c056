//! What agents ask for on their own account: telemetry, update checks, their vendor's account service. Refused like all
//! else, but shown apart, since nobody's task needs it.

use super::target::Host;

/// Hosts, and with a leading dot all below them.
const HOSTS: [&str; 24] = [
    "api.anthropic.com",
    ".anthropic.com",
    ".claude.com",
    ".claude.ai",
    "claude.ai",
    "claude.com",
    ".statsig.com",
    ".statsigapi.net",
    ".sentry.io",
    "sentry.io",
    ".datadoghq.com",
    ".growthbook.io",
    ".segment.io",
    ".segment.com",
    ".honeycomb.io",
    ".posthog.com",
    ".amplitude.com",
    ".openai.com",
    ".chatgpt.com",
    "chatgpt.com",
    "play.googleapis.com",
    "firebaselogging-pa.googleapis.com",
    ".opencode.ai",
    "models.dev",
];

/// Whether agents are known to ask for this host without being told to.
pub(crate) fn is_probe_host(host: &Host) -> bool {
    let Host::Name(name) = host else { return false };
    HOSTS.iter().any(|probe| match probe.strip_prefix('.') {
        Some(_) => name.ends_with(probe),
        None => name == probe,
    })
}

/// The same for a path of the model API.
pub(crate) fn is_probe_path(path: &str) -> bool {
    path.starts_with("/api/") || path.starts_with("/v1/mcp_servers") || path.starts_with("/v1/environments")
}

#[cfg(test)]
mod tests {
    use super::{Host, is_probe_host, is_probe_path};

    #[test]
    fn an_agents_own_calls_are_known() {
        for (name, expected) in [
            ("api.anthropic.com", true),
            ("statsig.anthropic.com", true),
            ("downloads.claude.ai", true),
            ("o123.ingest.sentry.io", true),
            ("http-intake.logs.us5.datadoghq.com", true),
            ("registry.npmjs.org", false),
            ("notsentry.io", false),
            ("evil-claude.ai", false),
        ] {
            assert_eq!(is_probe_host(&Host::parse(name).unwrap()), expected, "{name}");
        }
        assert!(is_probe_path("/api/oauth/usage") && !is_probe_path("/v1/files"));
    }
}
