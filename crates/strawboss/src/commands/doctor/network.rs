//! Hosts that projects allow: reached as a sandbox would be let through to them. Nothing is sent.

use super::Finding;
use crate::config::settings::Settings;
use std::collections::BTreeMap;
use strawboss_gateway::NetworkPolicy;
use strawboss_gateway::egress::{DialError, reach};
use tokio::task::JoinSet;

/// Looks at every host that a project names, once.
pub(super) async fn hosts(settings: &Settings) -> Vec<Finding> {
    let mut looks = BTreeMap::new();
    for project in settings.projects.values() {
        // Reading the configuration has reported what cannot be read.
        let Ok(policy) = NetworkPolicy::parse(&project.allow, &project.internal) else { continue };
        for target in policy.targets() {
            let open = policy.verdict(&target);
            looks.entry((target.to_string(), open)).or_insert((target, policy.clone()));
        }
    }
    let count = looks.len();
    let mut asked: JoinSet<_> =
        looks.into_values().map(|(target, policy)| async move { (target.to_string(), reach(&policy, &target).await) }).collect();
    let mut found = BTreeMap::new();
    while let Some(answer) = asked.join_next().await {
        if let Ok((target, Err(error))) = answer {
            let finding = unreachable(&target, &error);
            found.insert(target, finding);
        }
    }
    let reached = count - found.len();
    let mut found: Vec<Finding> = found.into_values().collect();
    if reached > 0 {
        found.insert(0, Finding::ok("network", format!("{reached} of {count} hosts that projects allow can be reached")));
    }
    found
}

fn unreachable(target: &str, error: &DialError) -> Finding {
    match error {
        DialError::Inward { address, why, .. } => Finding::warn(
            format!("network {target}"),
            format!("it leads to {address}: {why}, so sandboxes are not let through to it"),
            format!("If it is a mirror of yours, add `internal: [\"{target}\"]` beside `allow:`."),
        ),
        other => Finding::warn(
            format!("network {target}"),
            other.to_string(),
            "Look at this machine's names and way out (HTTPS_PROXY). It matters only if work needs that host.",
        ),
    }
}
