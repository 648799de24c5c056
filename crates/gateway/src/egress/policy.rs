//! Which hosts a project allows, from its configuration: presets, names, `*.` names, and inner hosts by exception.

use super::target::{Host, Target, parse_port};
use std::collections::HashSet;
use std::fmt;

/// Ports that an allowed name opens when it says none.
const WEB_PORTS: [u16; 2] = [80, 443];

/// What the presets open. An allowed host is a way out for data too: no preset opens more than its registry needs.
pub const PRESETS: [(&str, &[&str]); 6] = [
    ("npm", &["registry.npmjs.org", "registry.yarnpkg.com", "nodejs.org"]),
    ("pypi", &["pypi.org", "files.pythonhosted.org"]),
    ("crates", &["crates.io", "index.crates.io", "static.crates.io", "static.rust-lang.org"]),
    ("go", &["proxy.golang.org", "sum.golang.org", "go.dev", "dl.google.com"]),
    ("debian", &["deb.debian.org", "security.debian.org"]),
    (
        "github",
        &[
            "github.com",
            "api.github.com",
            "codeload.github.com",
            "raw.githubusercontent.com",
            "objects.githubusercontent.com",
            "release-assets.githubusercontent.com",
            "github-cloud.githubusercontent.com",
        ],
    ),
];

/// Why an entry of the configuration says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` in network.{list}: {problem}")]
pub struct PolicyError {
    /// The entry.
    pub entry: String,
    /// `allow` or `internal`.
    pub list: &'static str,
    /// What is wrong and what to write instead.
    pub problem: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// This host.
    Exactly(Host),
    /// Every name that ends in this, which begins with a dot.
    Below(String),
    /// Every host of the open net.
    Any,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    pattern: Pattern,
    /// None: the web's.
    port: Option<u16>,
}

impl Rule {
    fn fits(&self, target: &Target) -> bool {
        let port = match self.port {
            Some(port) => port == target.port,
            None => WEB_PORTS.contains(&target.port),
        };
        port && match &self.pattern {
            Pattern::Exactly(host) => *host == target.host,
            Pattern::Below(end) => {
                matches!(&target.host, Host::Name(name) if name.len() > end.len() && name.ends_with(end.as_str()))
            }
            Pattern::Any => true,
        }
    }
}

/// What may be reached. The default allows nothing.
#[derive(Debug, Clone, Default)]
pub struct NetworkPolicy {
    /// As configured, to be said in refusals.
    named: Vec<String>,
    rules: Vec<Rule>,
    internal: HashSet<Target>,
}

/// What a policy says of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Allowed if its address is of the open net.
    Open,
    /// Allowed wherever it is.
    Internal,
    /// Not allowed.
    Refused,
}

impl NetworkPolicy {
    /// Reads both lists and reports all that is wrong in them. `allow`: presets, `example.org`, `*.example.org`, `*` (all
    /// of the open net), addresses, each with `:port` or for 80 and 443. `internal`: `host:port` that may be reached even
    /// though its address is private or this host's own, such as a mirror; nothing else opens one.
    pub fn parse(allow: &[String], internal: &[String]) -> Result<Self, Vec<PolicyError>> {
        let mut policy = Self::default();
        let mut errors = Vec::new();
        for entry in allow {
            let entry = entry.trim();
            if let Some((_, hosts)) = PRESETS.iter().find(|(name, _)| name.eq_ignore_ascii_case(entry)) {
                policy.rules.extend(
                    hosts.iter().map(|host| Rule { pattern: Pattern::Exactly(Host::Name((*host).to_owned())), port: None }),
                );
                policy.named.push(entry.to_owned());
                continue;
            }
            match rule(entry) {
                Ok(rule) => {
                    policy.rules.push(rule);
                    policy.named.push(entry.to_owned());
                }
                Err(problem) => errors.push(PolicyError { entry: entry.to_owned(), list: "allow", problem }),
            }
        }
        for entry in internal {
            let entry = entry.trim();
            match Target::parse(&ascii(entry), None) {
                Ok(target) => {
                    policy.internal.insert(target);
                    policy.named.push(entry.to_owned());
                }
                Err(error) => errors.push(PolicyError {
                    entry: entry.to_owned(),
                    list: "internal",
                    problem: format!("{error}; write one host and its port, like `mirror.lan:8080`"),
                }),
            }
        }
        if errors.is_empty() { Ok(policy) } else { Err(errors) }
    }

    /// Decides by name, address as written, and port.
    pub fn verdict(&self, target: &Target) -> Verdict {
        if self.internal.contains(target) {
            Verdict::Internal
        } else if self.rules.iter().any(|rule| rule.fits(target)) {
            Verdict::Open
        } else {
            Verdict::Refused
        }
    }

    /// Every host that it names in full, with the port to try first.
    pub fn targets(&self) -> Vec<Target> {
        let named = self.rules.iter().filter_map(|rule| match &rule.pattern {
            Pattern::Exactly(host) => Some(Target { host: host.clone(), port: rule.port.unwrap_or(WEB_PORTS[1]) }),
            Pattern::Below(_) | Pattern::Any => None,
        });
        named.chain(self.internal.iter().cloned()).collect()
    }

    /// Whether it allows this host on another port.
    pub(super) fn knows_host(&self, host: &Host) -> bool {
        self.rules.iter().any(|rule| {
            let port = rule.port.unwrap_or(WEB_PORTS[1]);
            rule.fits(&Target { host: host.clone(), port })
        }) || self.internal.iter().any(|target| target.host == *host)
    }
}

/// As a short list for people.
impl fmt::Display for NetworkPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.named.as_slice() {
            [] => f.write_str("no host"),
            named => {
                f.write_str(&named[..named.len().min(12)].join(", "))?;
                if named.len() > 12 { write!(f, " and {} more", named.len() - 12) } else { Ok(()) }
            }
        }
    }
}

/// International names as DNS has them; anything that is none is left for the reader to complain about.
fn ascii(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if parse_port(port).is_some() => (host, Some(port)),
        _ => (text, None),
    };
    match (url::Host::parse(host), port) {
        (Ok(host), Some(port)) => format!("{host}:{port}"),
        (Ok(host), None) => host.to_string(),
        (Err(_), _) => text.to_owned(),
    }
}

fn rule(entry: &str) -> Result<Rule, String> {
    let known = || PRESETS.map(|(name, _)| name).join(", ");
    if entry.contains("://") || entry.contains('/') {
        return Err("write the host alone, without scheme or path".to_owned());
    }
    if entry == "*" {
        return Ok(Rule { pattern: Pattern::Any, port: None });
    }
    let (star, host) = match entry.strip_prefix("*.") {
        Some(rest) => (true, ascii(rest)),
        None => (false, ascii(entry)),
    };
    if host.contains('*') {
        return Err("`*` may stand only for the first part, as in `*.example.org`".to_owned());
    }
    let has_port = host.starts_with('[') && host.contains("]:") || !host.starts_with('[') && host.contains(':');
    let target = Target::parse(&host, Some(WEB_PORTS[1])).map_err(|error| error.to_string())?;
    let port = has_port.then_some(target.port);
    match target.host {
        Host::Name(name) if star => {
            if name.contains('.') {
                Ok(Rule { pattern: Pattern::Below(format!(".{name}")), port })
            } else {
                Err(format!("`*.{name}` would allow a whole top level; name the domain, as in `*.example.{name}`"))
            }
        }
        Host::Address(_) if star => Err("an address has nothing below it".to_owned()),
        Host::Name(name) if !name.contains('.') && port.is_none() => {
            Err(format!("no preset is called that (there are {}), and a host name has a dot in it", known()))
        }
        host => Ok(Rule { pattern: Pattern::Exactly(host), port }),
    }
}

#[cfg(test)]
mod tests {
    use super::{NetworkPolicy, PRESETS, Target, Verdict};
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn policy(allow: &[&str], internal: &[&str]) -> NetworkPolicy {
        let own = |list: &[&str]| list.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>();
        NetworkPolicy::parse(&own(allow), &own(internal)).unwrap()
    }

    fn verdict(policy: &NetworkPolicy, target: &str) -> Verdict {
        policy.verdict(&Target::parse(target, None).unwrap())
    }

    #[test]
    fn only_what_is_named_is_allowed() {
        let policy = policy(
            &["npm", "*.example.org", "exact.test", "ssh.test:22", "9.9.9.9:53", "[2606:4700::1111]", "*.bücher.example"],
            &["mirror:8080", "10.0.0.5:80"],
        );
        for target in [
            "registry.npmjs.org:443",
            "REGISTRY.npmjs.org.:80",
            "a.example.org:443",
            "a.b.example.org:80",
            "exact.test:443",
            "ssh.test:22",
            "9.9.9.9:53",
            "[2606:4700::1111]:443",
            "shop.xn--bcher-kva.example:443",
        ] {
            assert_eq!(verdict(&policy, target), Verdict::Open, "{target}");
        }
        for target in [
            "example.org:443",
            "evilexample.org:443",
            "example.org.evil.test:443",
            "a.example.org:22",
            "exact.test:8080",
            "sub.exact.test:443",
            "ssh.test:443",
            "9.9.9.9:443",
            "pypi.org:443",
            "10.0.0.5:443",
            "mirror:80",
        ] {
            assert_eq!(verdict(&policy, target), Verdict::Refused, "{target}");
        }
        for target in ["mirror:8080", "10.0.0.5:80"] {
            assert_eq!(verdict(&policy, target), Verdict::Internal, "{target}");
        }
        assert_eq!(verdict(&NetworkPolicy::default(), "example.org:443"), Verdict::Refused);
        let targets: HashSet<String> = policy.targets().iter().map(ToString::to_string).collect();
        assert!(
            ["registry.npmjs.org:443", "ssh.test:22", "mirror:8080"].iter().all(|name| targets.contains(*name)),
            "{targets:?}"
        );
    }

    #[test]
    fn every_wrong_entry_is_reported_with_what_to_write() {
        let allow = ["https://x.org/", "npn", "*.com", "a.*.org", "*", "*.1.2.3.4", "x.org:99999", "127.1", "u@x.org"];
        let errors = NetworkPolicy::parse(&allow.map(str::to_owned), &["mirror".to_owned(), "*.lan:80".to_owned()]).unwrap_err();
        let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), 10, "{texts:#?}");
        for (entry, part) in
            [("npn", "pypi"), ("*.com", "*.example.com"), ("https://x.org/", "scheme"), ("mirror", "mirror.lan:8080")]
        {
            assert!(texts.iter().any(|text| text.contains(&format!("`{entry}`")) && text.contains(part)), "{entry}: {texts:#?}");
        }
    }

    #[test]
    fn presets_are_plain_names() {
        for (name, hosts) in PRESETS {
            let policy = policy(&[name], &[]);
            for host in hosts {
                assert_eq!(verdict(&policy, &format!("{host}:443")), Verdict::Open);
                assert_eq!(verdict(&policy, &format!("{host}:22")), Verdict::Refused);
            }
        }
    }

    proptest! {
        #[test]
        fn a_wildcard_fits_only_names_below_it(name in "[a-z0-9.-]{1,40}", port in 1u16..) {
            let policy = policy(&["*.example.org"], &[]);
            if let Ok(target) = Target::parse(&format!("{name}:{port}"), None) {
                let below = name.trim_end_matches('.').strip_suffix(".example.org").is_some_and(|rest| !rest.is_empty());
                let expected = if below && (port == 80 || port == 443) { Verdict::Open } else { Verdict::Refused };
                prop_assert_eq!(policy.verdict(&target), expected);
            }
        }

        #[test]
        fn an_exact_name_fits_only_itself(before in "[a-z.-]{0,5}", after in "[a-z.-]{0,5}") {
            let policy = policy(&["example.org"], &[]);
            let name = format!("{before}example.org{after}");
            if let Ok(target) = Target::parse(&format!("{name}:443"), None) {
                let expected = if name == "example.org" || name == "example.org." { Verdict::Open } else { Verdict::Refused };
                prop_assert_eq!(policy.verdict(&target), expected);
            }
        }

        #[test]
        fn no_entry_makes_it_panic(entry in ".{0,60}") {
            let _ = NetworkPolicy::parse(std::slice::from_ref(&entry), std::slice::from_ref(&entry));
        }
    }
}
